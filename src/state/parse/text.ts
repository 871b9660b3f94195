import { z } from 'zod';
import { actionNames, type Action, type Text } from '../../advice.js';
import { looseNoun, text, whole } from './noun.js';

const action = looseNoun<Action>({
  action: z.enum(actionNames),
  id: z.union([whole, z.literal('ID')]).nullable(),
  as: z.enum(['order', 'subject', 'name']),
});

/** For people, with what to do as data. */
export const told: z.ZodType<Text> = z.union([
  text,
  z.looseObject({ say: z.array(z.union([text, action])) }),
]);
