/** A file on our own machine that pauses the work for as long as it is there. */
import { stat } from 'node:fs/promises';
import { messageOf } from '../../db/sqlstate.js';
import { unreadable, type Signal } from '../signal.js';

/** Of the limits' `pauseFile`. */
export function pauseFile(): Signal {
  const names = ['pause-file'] as const;
  return {
    names,
    async read(_session, { pauseFile: path }) {
      if (path == null) return [];
      try {
        await stat(path);
        return [{ signal: 'pause-file', subject: path, value: 1 }];
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ENOTDIR')
          return [{ signal: 'pause-file', subject: path, value: 0 }];
        return unreadable(names, messageOf(error), path);
      }
    },
  };
}
