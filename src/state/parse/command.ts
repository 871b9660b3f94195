import { z } from 'zod';
import type { Answer, Command } from '../stored-json.js';
import { looseNoun, text, yes } from './noun.js';
import { told } from './text.js';

/** Of each command its own; whoever does it looks at them. */
export const commandArguments: z.ZodType<NonNullable<Command['arguments']>> = z.record(text, z.unknown());

export const answer = looseNoun<Answer>({
  ok: yes,
  said: told,
  details: z.record(text, z.unknown()).exactOptional(),
});
