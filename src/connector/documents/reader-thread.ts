import { parentPort } from 'node:worker_threads'
import { loadDocuments } from '../../domain/policy/documents.ts'
import type { TextFile } from '../../domain/policy/yaml.ts'

/** Documents that are sent at once: taking them over must not keep the main thread for long. */
const PART = 500

/** What the thread answers to one set of files: its documents in parts, and then the findings. */
export type Answer =
  | { readonly part: ReturnType<typeof loadDocuments>['documents'] }
  | { readonly findings: ReturnType<typeof loadDocuments>['findings'] }

parentPort?.on('message', (files: readonly TextFile[]) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  const send = (answer: Answer): void => parentPort?.postMessage(answer)
  const { documents, findings } = loadDocuments(files)
  for (let at = 0; at < documents.length; at += PART) send({ part: documents.slice(at, at + PART) })
  send({ findings })
})
