import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isHarmlessSetting } from '../../classify/postgres/settings.ts'
import { readStartup } from './startup-parameters.ts'

const read = (...more: readonly (readonly [string, string])[]) =>
  readStartup(new Map([['user', 'ana'], ['database', 'shop-db'], ...more]))
const refusal = (...more: readonly (readonly [string, string])[]): string => {
  const answer = read(...more)
  return answer.ok ? 'taken' : `${answer.code} ${answer.message}`
}
const settings = (...more: readonly (readonly [string, string])[]): Record<string, string> => {
  const answer = read(...more)
  return answer.ok ? Object.fromEntries(answer.startup.settings) : { refused: answer.message }
}
const ALWAYS = { client_encoding: 'UTF8', standard_conforming_strings: 'on' }

describe('parameters of a StartupMessage', () => {
  it.each(['role', 'session_authorization', 'session_replication_role', 'log_statement', 'app.user_id', 'x', 'seed'])(
    '%s is refused, however it is given',
    (name) => {
      for (const given of [
        [name, 'x'],
        [name.toUpperCase(), 'x'],
        ['options', `-c ${name}=x`],
        ['options', `-c${name}=x`],
        ['options', `--${name.replaceAll('_', '-')}=x`],
        ['options', `-c work_mem=1MB\t-c\v${name}=x`],
        ['options', `-c work_mem=1\\ MB\n--${name}=x`],
      ] as const)
        expect([given, refusal(given)]).toEqual([given, expect.stringContaining('0A000 the parameter')])
    },
  )

  it.each(['database', 'true', 'on', '1', 'yes', 't', 'ON', 'nonsense', ''])('replication=%s is refused', (value) => {
    expect(refusal(['replication', value])).toContain('0A000 replication')
  })
  it.each(['false', 'OFF', 'no', '0'])('replication=%s is an ordinary connection', (value) => {
    expect(settings(['replication', value])).toEqual(ALWAYS)
  })

  it('what SET may, connecting may; the last of several counts, and what texts are read by is fixed', () => {
    expect(
      settings(
        ['search_path', 'a, b'],
        ['DateStyle', 'German'],
        ['options', '-c search_path=c\\ d -cjit=off --lock-timeout=2s -c application_name=a=b'],
        ['client_encoding', "'utf-8'"],
      ),
    ).toEqual({
      ...ALWAYS,
      search_path: 'c d',
      datestyle: 'German',
      jit: 'off',
      lock_timeout: '2s',
      application_name: 'a=b',
    })
    for (const as of ['UTF8', 'utf-8', 'unicode', 'SQL_ASCII'])
      expect(settings(['client_encoding', as])).toEqual(ALWAYS)
    for (const other of ['SJIS', 'latin1', 'EUC_JP', '', 'utf8 '])
      expect(refusal(['client_encoding', other])).toContain('0A000 client_encoding')
    expect(refusal(['options', '-c client_encoding=GBK'])).toContain('0A000 client_encoding')
    expect(refusal(['standard_conforming_strings', 'off'])).toContain('0A000')
  })

  it.each([
    '-d 5',
    '-O',
    '-e',
    '-S 100',
    'work_mem=1MB',
    '-c',
    '-c work_mem',
    '--work_mem',
    '-c =x',
    '- c',
    '\u00a0-c jit=off',
  ])('options %j is not understood', (options) => {
    expect(refusal(['options', options])).toContain('22023')
  })

  it('whatever stands in options, nothing but harmless parameters comes out of it', () => {
    const word = fc.constantFrom(
      '-c',
      '--',
      '-',
      'role',
      'jit',
      '=',
      'x',
      ' ',
      '\\',
      '\\ ',
      '\t',
      '\u00a0',
      '\u2028',
      'search_path',
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 14 }), (words) => {
        const answer = read(['options', words.join('')])
        for (const [name] of answer.ok ? answer.startup.settings : []) expect(isHarmlessSetting(name)).toBe(true)
      }),
    )
  })

  it('protocol options are named, whatever they are', () => {
    const answer = read(['_pq_.wonder', '1'], ['_pq_.test_protocol_negotiation', ''])
    expect(answer).toMatchObject({ ok: true, unknownOptions: ['_pq_.wonder', '_pq_.test_protocol_negotiation'] })
  })
})
