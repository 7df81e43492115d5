import type { Finding } from '../contract/documents.ts'
import type { z } from 'zod'
import { oneLine } from './exposed-text.ts'

/** `rules/prod.yaml:3:7: error: unknown key 'hodl'`: what editors and CI jump to. */
export function renderFinding(finding: z.output<typeof Finding>): string {
  const place = [finding.path, finding.line, finding.column].filter((part) => part !== undefined).join(':')
  return oneLine(`${place === '' ? '' : `${place}: `}${finding.severity}: ${finding.message}`)
}
