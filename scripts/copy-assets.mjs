// What the compiler leaves behind: files that are read when the program runs.
import { cpSync } from 'node:fs'

cpSync('src/store/migrations', 'dist/store/migrations', { recursive: true })
