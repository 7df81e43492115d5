import { YAML_LIMITS } from '../../domain/policy/yaml.ts'
import type { DocumentFile } from '../app.ts'
import type { DocumentReader, Loaded } from '../ports/document-reader.ts'

/** `loadDocuments` beside the sessions. What is too large altogether is not even looked at. */
export async function loadFiles(
  { reader }: { readonly reader: DocumentReader },
  files: readonly DocumentFile[],
): Promise<Loaded> {
  const bytes = files.reduce((sum, file) => sum + file.text.length, 0)
  if (bytes <= YAML_LIMITS.totalBytes) return reader.read(files)
  const message = `More than ${YAML_LIMITS.totalBytes / 1024} KiB.`
  return { documents: [], findings: [{ severity: 'error', code: 'too_large', message }] }
}
