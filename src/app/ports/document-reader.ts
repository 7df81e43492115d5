import type { loadDocuments } from '../../domain/policy/documents.ts'
import type { DocumentFile } from '../app.ts'

/** Documents that are valid by themselves, and what is wrong with the rest. */
export type Loaded = ReturnType<typeof loadDocuments>

/** Reads files beside the sessions: it never keeps the process from cutting one, however long it takes. */
export interface DocumentReader {
  /** Bounded in time and memory. Files that take more are refused by a finding; never rejects on any text. */
  read(files: readonly DocumentFile[]): Promise<Loaded>
  close(): Promise<void>
}
