import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from './config.ts'

describe('readConfig', () => {
  it('listens on loopback when told nothing', () => {
    const config = readConfig({}, { XDG_DATA_HOME: '/data' })
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 7400 })
    expect(config.gateway).toEqual({ host: '127.0.0.1', port: 7432 })
    expect(config.dataDir).toBe('/data/holdpoint')
  })

  it('keeps a demo apart from an installation', () => {
    expect(readConfig({ demo: true }, { XDG_DATA_HOME: '/data' }).dataDir).toBe('/data/holdpoint-demo')
  })

  it('lets a flag win over the environment', () => {
    expect(readConfig({ listen: '[::1]:80' }, { HP_LISTEN: '1.2.3.4:5' }).listen).toEqual({ host: '::1', port: 80 })
    expect(readConfig({}, { HP_LISTEN: '1.2.3.4:5' }).listen).toEqual({ host: '1.2.3.4', port: 5 })
    expect(readConfig({ gateway: '9000' }, {}).gateway).toEqual({ host: '127.0.0.1', port: 9000 })
  })

  it('does everything unless told what, in whatever order', () => {
    expect(readConfig({}, {}).roles).toEqual(['api', 'worker', 'gateway'])
    const env = { DATABASE_URL: 'postgres://x' }
    expect(readConfig({ role: 'gateway, api' }, env).roles).toEqual(['api', 'gateway'])
    expect(readConfig({}, { ...env, HP_ROLE: 'worker' }).roles).toEqual(['worker'])
  })

  it.each([
    [{ demo: true, listen: '0.0.0.0:7400' }, {}],
    [{ demo: true, gateway: '10.0.0.1:7432' }, {}],
    [{ demo: true }, { DATABASE_URL: 'postgres://x' }],
    [{ listen: 'localhost' }, {}],
    [{ listen: 'localhost:99999' }, {}],
    [{ listen: 'host:-1' }, {}],
    [{ tlsCert: 'a.pem' }, {}],
    [{ publicUrl: 'javascript:alert(1)' }, {}],
    [{ logLevel: 'loud' }, {}],
    [{ role: 'api,webserver' }, { DATABASE_URL: 'postgres://x' }],
    [{ role: '' }, { DATABASE_URL: 'postgres://x' }],
    [{ role: 'api' }, {}],
    [{ drain: '-1' }, {}],
    [{ drain: '1e9' }, {}],
  ])('refuses %j with %j', (flags, env) => {
    expect(() => readConfig(flags, env)).toThrow(ConfigError)
  })
})
