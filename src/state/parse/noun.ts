/**
 * What was stored is read back by a schema for each noun of the model, in which nothing may be missing and nothing too much: what
 * another version has written and this one does not know may mean something.
 */
import { z } from 'zod';
import type { QualifiedName } from '../../model/name.js';

type Shape<T> = { readonly [Key in keyof T]-?: z.ZodType<T[Key]> };

/** An object with exactly the properties of its type; what may be missing is `exactOptional()`. */
export function noun<T extends object>(shape: Shape<T>): z.ZodType<T> {
  return z.strictObject(shape) as unknown as z.ZodType<T>;
}

export function listOf<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(item);
}

export const text = z.string();
export const maybeText = text.nullable();
export const texts = listOf(text);
export const yes = z.boolean();
export const whole = z.int();

export const qualifiedName = noun<QualifiedName>({ schema: text, name: text });
