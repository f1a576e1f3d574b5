// A workload that knows nothing but managed identities. package managed is the
// same in Go, and says what the variables and the argument are.
import assert from 'node:assert/strict'
import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { check, end } from './check.js'

const env = process.env
const scope = 'https://vault.azure.net/.default'
const own = { appid: env.WIDEMO_CLIENT_ID, oid: env.WIDEMO_PRINCIPAL_ID }
const second = { appid: env.WIDEMO_SECOND_CLIENT_ID, oid: env.WIDEMO_SECOND_PRINCIPAL_ID }

// works expects a token of that identity, and that the vault takes it.
async function works (credential, want) {
  const { token } = await credential.getToken(scope)
  const { appid, oid } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
  assert.deepEqual({ appid, oid }, want)
  assert.equal((await new SecretClient(env.WIDEMO_VAULT_URL, credential).getSecret('DemoSecret')).value, env.WIDEMO_SECRET)
}

// refused expects an error that says why.
async function refused (credential, why) {
  const error = await credential.getToken(scope).then(() => undefined, e => e)
  assert.ok(error, 'got a token')
  assert.equal(error.name, 'CredentialUnavailableError') // whatever the cause is, with this SDK
  assert.ok(error.message.includes(why), `got ${error.message}, want ${why} in it`)
}

const programs = {
  async identities () {
    await check('managed/own', () => works(new ManagedIdentityCredential(), own))
    await check('managed/default-credential', () => works(new DefaultAzureCredential(), own))
    await check('managed/client-id', () => works(new ManagedIdentityCredential({ clientId: own.appid }), own))
    await check('managed/object-id', () => works(new ManagedIdentityCredential({ objectId: own.oid }), own))
    await check('managed/resource-id', () => works(new ManagedIdentityCredential({ resourceId: env.WIDEMO_RESOURCE_ID }), own))
    await check('managed/second-client-id', () => works(new ManagedIdentityCredential({ clientId: second.appid }), second))
    await check('managed/unknown-client-id', () => refused(new ManagedIdentityCredential({ clientId: env.WIDEMO_UNKNOWN_CLIENT_ID }), 'AADSTS700016'))
  },
  async stranger () {
    await check('managed/stranger', () => refused(new ManagedIdentityCredential(), 'X-IDENTITY-HEADER'))
  }
}

await programs[process.argv[2]]()
end()
