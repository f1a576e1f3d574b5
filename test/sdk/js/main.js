// A workload that reads and writes the scenario's data with the Azure SDKs for
// JavaScript. package dataplane is the same in Go, and says what the variables are.
import { ClientSecretCredential, DefaultAzureCredential, WorkloadIdentityCredential } from '@azure/identity'
import { blobs } from './blobs.js'
import { end } from './check.js'
import { provider } from './provider.js'
import { queues } from './queues.js'
import { secrets } from './secrets.js'
import { settings } from './settings.js'

const env = process.env
const scenario = {
  vault: env.WIDEMO_VAULT_URL,
  store: env.WIDEMO_STORE_URL,
  blobs: env.WIDEMO_BLOB_URL,
  queues: env.WIDEMO_QUEUE_URL,
  run: env.WIDEMO_RUN,
  secret: env.WIDEMO_SECRET,
  container: 'widemo',
  queue: 'orders',
  sharedLabel: 'shared',
  label: 'dev-euw-001',
  own: env.WIDEMO_CREDENTIAL === 'workload' ? new WorkloadIdentityCredential() : new DefaultAzureCredential(),
  owner: new ClientSecretCredential(env.WIDEMO_OWNER_TENANT, env.WIDEMO_OWNER_CLIENT, env.WIDEMO_OWNER_SECRET)
}

for (const part of [secrets, settings, provider, blobs, queues]) await part(scenario)
end()
