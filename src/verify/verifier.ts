export type VerifyPoint = 'range-verified';
