import type { CaptureMode } from '../model/capture-mode.js';
import { LogicalCapture } from './logical/logical-capture.js';
import type { Capture, CaptureFacts } from './capture.js';
import { TriggerCapture } from './triggers/trigger-capture.js';

/** Knows of capture as it is to be, or as it is already; does nothing yet. */
export function openCapture(mode: CaptureMode, facts: CaptureFacts): Capture {
  switch (mode) {
    case 'triggers':
      return new TriggerCapture(facts);
    case 'logical':
      return new LogicalCapture(facts);
  }
}
