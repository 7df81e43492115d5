// Reads vitest's JSON report and prints the closing line. Skipped or unfinished tests, no tests, and a failed
// check each count as a failure: a green run means that everything ran.
import { readFileSync } from 'node:fs'

const [file, checked, tested] = process.argv.slice(2)
let report
try {
  report = JSON.parse(readFileSync(file, 'utf8'))
} catch (cause) {
  console.log(`the test report could not be read: ${cause.message}`)
  report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 }
}
const passed = report.numPassedTests
const skipped = report.numPendingTests + report.numTodoTests
let failed = report.numFailedTests + skipped
if (skipped > 0) console.log(`${skipped} tests were skipped, which counts as failed`)
if (passed === 0) console.log('no test ran')
if (checked !== '0') {
  console.log('npm run check failed')
  failed += 1
}
if (tested !== '0' && failed === 0) {
  console.log(`the test command ended with ${tested}`)
  failed += 1
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
