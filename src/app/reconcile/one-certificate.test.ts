import { expect, test } from 'vitest'
import type { AboutReplica } from '../ports/requests.ts'
import { refuseOtherCertificate } from './one-certificate.ts'

const gateway = (certificate?: string): AboutReplica => ({
  roles: ['gateway'],
  ...(certificate === undefined ? {} : { certificate }),
})
const among = (...living: readonly AboutReplica[]) => ({ living: () => Promise.resolve(living) })

test('the same certificate, one by an issuer, and none at all are fine', async () => {
  await refuseOtherCertificate(among(gateway('AA'), gateway('AA')), 'AA')
  await refuseOtherCertificate(among(gateway(), gateway('AA')), 'AA')
  await refuseOtherCertificate(among({ roles: ['api'] }, gateway('AA')), 'AA')
})

test('of two that made their own, the one that started first goes on', async () => {
  const both = among(gateway('AA'), gateway('BB'))
  await refuseOtherCertificate(both, 'AA')
  await expect(refuseOtherCertificate(both, 'BB', 0)).rejects.toThrow(/SHA-256 AA.*--tls-cert/)
})

test('one that was killed a moment ago is waited out', async () => {
  const looks = [[gateway('AA'), gateway('BB')], [gateway('BB')]]
  await refuseOtherCertificate({ living: () => Promise.resolve(looks.shift() ?? []) }, 'BB')
  expect(looks).toEqual([])
})
