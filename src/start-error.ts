import { styleText } from 'node:util'

/** Errors whose message is written for the operator. Everything else is a fault, shown with its stack. */
const FOR_PEOPLE = new Set([
  'ConfigError',
  'FolderInUse',
  'SchemaMismatch',
  'KeyringError',
  'CertificateError',
  'DemoError',
  'ExposedFile',
  'ReplicasDiffer',
  'SignerRefusal',
  'WitnessError',
])

/** Prints why the start failed, as `error:` and `hint:`, and answers the exit code. */
export function reportStartError(error: unknown, write: (text: string) => void): number {
  const title = styleText('red', 'error:', { stream: process.stderr })
  const { name, code, syscall, message, address, port, stack } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  if (code === 'EADDRINUSE') {
    write(
      `${title} ${address}:${port} is taken by another program.\nhint:  choose another address with --listen or --gateway\n`,
    )
    return 1
  }
  // What mkdir says on a read-only file system, or below a file, differs by system.
  if (code === 'EACCES' || code === 'EROFS' || code === 'ENOSPC' || syscall === 'mkdir') {
    write(`${title} ${message}\nhint:  choose another data folder with --data DIR\n`)
    return 1
  }
  if (FOR_PEOPLE.has(name)) {
    write(`${title} ${message}\n`)
    return name === 'ConfigError' ? 2 : 1
  }
  write(`${title} Holdpoint could not start: ${message}\n${stack ?? ''}\n`)
  return 1
}
