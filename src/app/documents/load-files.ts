import { loadDocuments } from '../../domain/policy/documents.ts'
import { YAML_LIMITS } from '../../domain/policy/yaml.ts'
import type { DocumentFile } from '../app.ts'

export type Loaded = ReturnType<typeof loadDocuments>

/**
 * `loadDocuments`, file by file, giving way in between: reading YAML takes about a second a MiB, and sessions must be cut
 * on time meanwhile.
 */
export async function loadFiles(files: readonly DocumentFile[]): Promise<Loaded> {
  const bytes = files.reduce((sum, file) => sum + file.text.length, 0)
  if (bytes > YAML_LIMITS.totalBytes) {
    const message = `More than ${YAML_LIMITS.totalBytes / 1024} KiB.`
    return { documents: [], findings: [{ severity: 'error', code: 'too_large', message }] }
  }
  const loaded: Loaded[] = []
  for (const file of files) {
    loaded.push(loadDocuments([file]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    documents: loaded.flatMap((one) => one.documents),
    findings: loaded.flatMap((one) => one.findings).slice(0, YAML_LIMITS.findings),
  }
}
