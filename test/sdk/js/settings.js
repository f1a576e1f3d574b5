import assert from 'node:assert/strict'
import { AppConfigurationClient } from '@azure/app-configuration'
import { check, collect, refused } from './check.js'

export async function settings (s) {
  const own = new AppConfigurationClient(s.store, s.own)
  const owner = new AppConfigurationClient(s.store, s.owner)
  const id = { key: `written:${s.run}/a b`, label: 'l/1' }
  const demo = { key: 'DemoConfig', label: s.label }

  await check('settings/get', async () => {
    const got = await own.getConfigurationSetting(demo)
    assert.equal(got.value, 'value from App Configuration')
    assert.ok(got.etag && got.lastModified instanceof Date && got.isReadOnly === false)
    const odd = await own.getConfigurationSetting({ key: 'path/of:a key?', label: s.label })
    assert.equal(odd.value, 'odd characters')
  })
  await check('settings/get-unchanged', async () => {
    const got = await own.getConfigurationSetting(demo)
    const again = await own.getConfigurationSetting({ ...demo, etag: got.etag }, { onlyIfChanged: true })
    assert.equal(again.statusCode, 304)
  })
  await check('settings/list-label', async () => {
    const keys = async filter => (await collect(own.listConfigurationSettings(filter))).map(x => x.key)
    assert.deepEqual(await keys({ labelFilter: s.sharedLabel }), ['DemoConfig', 'Greeting'])
    assert.deepEqual(await keys({ keyFilter: 'Demo*', labelFilter: s.label }), ['DemoConfig', 'DemoSecret'])
    assert.deepEqual(await keys({ keyFilter: 'Demo*', labelFilter: '\0' }), [])
  })
  await check('settings/list-pages-unchanged', async () => {
    const filter = { labelFilter: 'many' }
    const pages = await collect(own.listConfigurationSettings(filter).byPage())
    assert.equal(pages.flatMap(p => p.items).length, 105)
    assert.ok(pages.length > 1 && pages.every(p => p.etag), 'want pages with ETags')
    const again = await collect(own.listConfigurationSettings({ ...filter, pageEtags: pages.map(p => p.etag) }).byPage())
    assert.deepEqual(again.map(p => p._response.status), pages.map(() => 304))
  })
  await check('settings/missing', () => refused(own.getConfigurationSetting({ key: 'no:such' }), 404, ''))
  await check('settings/set-refused', () => refused(own.setConfigurationSetting({ ...id, value: 'x' }), 403, ''))
  await check('settings/owner-write', async () => {
    const added = await owner.addConfigurationSetting({ ...id, value: 'one', tags: { for: 'a test' } })
    assert.deepEqual(added.tags, { for: 'a test' })
    await refused(owner.addConfigurationSetting({ ...id, value: 'again' }), 412, '')
    const set = await owner.setConfigurationSetting({ ...id, value: 'two', etag: added.etag }, { onlyIfUnchanged: true })
    await refused(owner.setConfigurationSetting({ ...id, value: 'three', etag: added.etag }, { onlyIfUnchanged: true }), 412, '')
    const deleted = await owner.deleteConfigurationSetting({ ...id, etag: set.etag }, { onlyIfUnchanged: true })
    assert.equal(deleted.statusCode, 200)
    assert.equal((await owner.deleteConfigurationSetting(id)).statusCode, 204)
  })
  await check('settings/owner-lock', async () => {
    await owner.setConfigurationSetting({ key: id.key, value: 'locked' })
    assert.equal((await owner.setReadOnly({ key: id.key }, true)).isReadOnly, true)
    await refused(owner.setConfigurationSetting({ key: id.key, value: 'x' }), 409, '')
    await owner.setReadOnly({ key: id.key }, false)
    await owner.deleteConfigurationSetting({ key: id.key })
  })
}
