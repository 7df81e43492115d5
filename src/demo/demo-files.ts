import { readdir, readFile } from 'node:fs/promises'
import type { DocumentFile } from '../app/app.ts'

/** The folder that people read and change: policy and the databases' SQL. The same place from `src` and from `dist`. */
const FOLDER = new URL('../../demo/', import.meta.url)

/** Where `demo/policy/resources.yaml` says the demo's database server is. */
export const WRITTEN_PORT = 7433

/** The demo's documents, with `port` where the files name the usual one. */
export async function readPolicyFiles(port: number): Promise<readonly DocumentFile[]> {
  const folder = new URL('policy/', FOLDER)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).toSorted()
  return Promise.all(
    names.map(async (name) => ({
      path: `demo/policy/${name}`,
      text: (await readFile(new URL(name, folder), 'utf8')).replaceAll(`:${WRITTEN_PORT}/`, `:${port}/`),
    })),
  )
}

/** Tables and rows of one of the demo's databases. */
export const readDatabaseSql = (name: string): Promise<string> =>
  readFile(new URL(`databases/${name}.sql`, FOLDER), 'utf8')
