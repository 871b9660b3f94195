/** Bytes of the fixed-length types that keys are made of; what varies is taken for wider than any of them. */
const widths: Readonly<Record<string, number>> = {
  boolean: 1,
  smallint: 2,
  integer: 4,
  date: 4,
  oid: 4,
  bigint: 8,
  'timestamp without time zone': 8,
  'timestamp with time zone': 8,
  uuid: 16,
};
const varying = 32;

export function typeWidth(type: string): number {
  return widths[type] ?? varying;
}
