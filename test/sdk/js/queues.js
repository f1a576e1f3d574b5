import assert from 'node:assert/strict'
import { QueueServiceClient } from '@azure/storage-queue'
import { check, collect, refused } from './check.js'

export async function queues (s) {
  const service = new QueueServiceClient(s.queues, s.own)
  const queue = service.getQueueClient(`own-${s.run}`)

  await check('queues/scenario', () => service.getQueueClient(s.queue).sendMessage(`order of ${s.run}`))
  await check('queues/create', async () => {
    assert.equal((await queue.create())._response.status, 201)
    assert.equal((await queue.create())._response.status, 204)
  })
  await check('queues/send-peek', async () => {
    for (const text of ['one <&> é', 'two']) assert.ok((await queue.sendMessage(text)).popReceipt)
    const { peekedMessageItems: peeked } = await queue.peekMessages({ numberOfMessages: 10 })
    assert.deepEqual(peeked.map(m => [m.messageText, m.dequeueCount]), [['one <&> é', 0], ['two', 0]])
  })
  await check('queues/receive-update-delete', async () => {
    const { receivedMessageItems: [m] } = await queue.receiveMessages({ visibilityTimeout: 60 })
    assert.equal(m.messageText, 'one <&> é')
    assert.equal(m.dequeueCount, 1)
    const updated = await queue.updateMessage(m.messageId, m.popReceipt, 'changed', 0)
    await refused(queue.deleteMessage(m.messageId, m.popReceipt), 404, 'MessageNotFound')
    await queue.deleteMessage(m.messageId, updated.popReceipt)
    await refused(queue.deleteMessage(m.messageId, updated.popReceipt), 404, 'MessageNotFound')
  })
  await check('queues/clear', async () => {
    await queue.clearMessages()
    assert.equal((await queue.getProperties()).approximateMessagesCount, 0)
  })
  await check('queues/list', async () => {
    assert.ok((await collect(service.listQueues({ prefix: 'own-' }))).some(q => q.name === queue.name))
  })
  await check('queues/delete', async () => {
    await queue.delete()
    await refused(queue.sendMessage('x'), 404, 'QueueNotFound')
  })
}
