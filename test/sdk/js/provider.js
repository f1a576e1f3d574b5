import assert from 'node:assert/strict'
import { AppConfigurationClient } from '@azure/app-configuration'
import { load } from '@azure/app-configuration-provider'
import { check } from './check.js'

// provider loads the settings as the application does: the shared label, the
// own label over it, and the secrets that settings refer to.
export async function provider (s) {
  await check('provider/load', async () => {
    const loaded = await load(s.store, s.own, {
      selectors: [{ keyFilter: '*', labelFilter: s.sharedLabel }, { keyFilter: '*', labelFilter: s.label }],
      keyVaultOptions: { credential: s.own }
    })
    assert.equal(loaded.get('DemoConfig'), 'value from App Configuration')
    assert.equal(loaded.get('Greeting'), 'hello')
    assert.equal(loaded.get('DemoSecret'), s.secret)
  })
  await check('provider/refresh', async () => {
    const label = `provided-${s.run}`
    const owner = new AppConfigurationClient(s.store, s.owner)
    await owner.setConfigurationSetting({ key: 'changing', label, value: 'before' })
    const loaded = await load(s.store, s.own, {
      selectors: [{ keyFilter: '*', labelFilter: label }],
      refreshOptions: { enabled: true, refreshIntervalInMs: 1000 } // the least that it takes
    })
    assert.equal(loaded.get('changing'), 'before')
    await owner.setConfigurationSetting({ key: 'changing', label, value: 'after' })
    const changed = new Promise(resolve => loaded.onRefresh(resolve))
    const asking = setInterval(() => { loaded.refresh() }, 100)
    await changed
    clearInterval(asking)
    assert.equal(loaded.get('changing'), 'after')
  })
}
