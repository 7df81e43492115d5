/** One-shot timers of this process. They wake work up; what is due is always asked of the database's clock. */
export interface Timer {
  /** Runs once after `ms`. Returns the way to take it back. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): () => void
}
