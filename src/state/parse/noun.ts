/**
 * What was stored is read back by a schema for each noun of the model. Of what a migration works by nothing may be missing and
 * nothing too much: what another version has written and this one does not know may mean something. What is only shown is read
 * more freely (`looseNoun`).
 */
import { z } from 'zod';
import type { QualifiedName } from '../../model/name.js';

type Shape<T> = { readonly [Key in keyof T]-?: z.ZodType<T[Key]> };

/** An object with exactly the properties of its type; what may be missing is `exactOptional()`. */
export function noun<T extends object>(shape: Shape<T>): z.ZodType<T> {
  return z.strictObject(shape) as unknown as z.ZodType<T>;
}

/**
 * The same, where there may be more than the properties of the type: what a later version adds to something that is only shown
 * does not change what the rest of it means.
 */
export function looseNoun<T extends object>(shape: Shape<T>): z.ZodType<T> {
  return z.looseObject(shape) as unknown as z.ZodType<T>;
}

export function listOf<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(item);
}

export const text = z.string();
export const maybeText = text.nullable();
export const texts = listOf(text);
export const yes = z.boolean();
export const whole = z.int();
export const figure = z.number();
export const maybeFigure = figure.nullable();

export const qualifiedName = noun<QualifiedName>({ schema: text, name: text });
