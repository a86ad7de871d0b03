// `epoch-seq`: a place in the log. Seqs of one epoch can be compared, those of two cannot.

export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** A cursor's parts, or null for anything else. */
export function parseCursor(text: string | null | undefined): Position | null {
  const match = /^([0-9a-f]{1,16})-(\d{1,16})$/.exec(text ?? "");
  const [, epoch, seq] = match ?? [];
  return epoch !== undefined && seq !== undefined ? { epoch, seq: Number(seq) } : null;
}

/** Whether `cursor` adds nothing to someone who stands at `at`: the same epoch, and no farther. */
export function isPast(cursor: string, at: string | null): boolean {
  const next = parseCursor(cursor);
  const last = parseCursor(at);
  return next !== null && last !== null && next.epoch === last.epoch && next.seq <= last.seq;
}
