import assert from 'node:assert/strict'
import { SecretClient } from '@azure/keyvault-secrets'
import { check, collect, refused } from './check.js'

export async function secrets (s) {
  const own = new SecretClient(s.vault, s.own)
  const owner = new SecretClient(s.vault, s.owner)
  const name = `kept-${s.run}`

  await check('secrets/get', async () => {
    const got = await own.getSecret('DemoSecret')
    assert.equal(got.value, s.secret)
    assert.equal(got.properties.enabled, true)
    assert.match(got.properties.version, /^[0-9a-f]{32}$/)
    assert.ok(got.properties.createdOn instanceof Date)
  })
  await check('secrets/versions', async () => {
    const versions = await collect(own.listPropertiesOfSecretVersions('DemoSecret'))
    const values = await Promise.all(versions.map(async v => (await own.getSecret('DemoSecret', { version: v.version })).value))
    assert.deepEqual(values.sort(), [s.secret, 'the former value'].sort())
  })
  await check('secrets/list-pages', async () => {
    const pages = await collect(own.listPropertiesOfSecrets().byPage())
    assert.ok(pages.length > 1, `got ${pages.length} pages, want more than one`)
    assert.equal(pages.flat().filter(p => p.name.startsWith('many-')).length, 30)
  })
  await check('secrets/missing', () => refused(own.getSecret('no-such-secret'), 404, 'SecretNotFound'))
  await check('secrets/set-refused', () => refused(own.setSecret(name, 'x'), 403, 'ForbiddenByPolicy'))
  await check('secrets/owner-set', async () => {
    const set = await owner.setSecret(name, 'one', { contentType: 'text/plain', tags: { for: 'a test' } })
    assert.deepEqual(set.properties.tags, { for: 'a test' })
    await owner.updateSecretProperties(name, set.properties.version, { enabled: false })
    await refused(owner.getSecret(name), 403, 'SecretDisabled')
    await owner.setSecret(name, 'two')
  })
  await check('secrets/owner-delete-recover', async () => {
    const deleting = await owner.beginDeleteSecret(name, { intervalInMs: 50 })
    const deleted = await deleting.pollUntilDone()
    assert.ok(deleted.recoveryId && deleted.scheduledPurgeDate)
    await refused(owner.setSecret(name, 'x'), 409, 'ObjectIsDeletedButRecoverable')
    const recovering = await owner.beginRecoverDeletedSecret(name, { intervalInMs: 50 })
    await recovering.pollUntilDone()
    assert.equal((await owner.getSecret(name)).value, 'two')
  })
  await check('secrets/owner-purge', async () => {
    await (await owner.beginDeleteSecret(name, { intervalInMs: 50 })).pollUntilDone()
    await owner.purgeDeletedSecret(name)
    await refused(owner.getDeletedSecret(name), 404, 'SecretNotFound')
  })
}
