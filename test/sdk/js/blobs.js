import assert from 'node:assert/strict'
import { BlobServiceClient } from '@azure/storage-blob'
import { check, collect, refused } from './check.js'

export async function blobs (s) {
  const service = new BlobServiceClient(s.blobs, s.own)
  const container = service.getContainerClient(s.container)
  const prefix = `${s.run}/`
  const at = name => container.getBlockBlobClient(prefix + name)
  const texts = { 'a/1.txt': 'No. one.', 'a/2.txt': 'two', 'b.txt': 'bé', empty: '', 'wé ird/+&?#%.txt': 'odd' }

  await check('blobs/download', async () => {
    const got = await container.getBlobClient('welcome.txt').downloadToBuffer()
    assert.equal(got.toString(), 'welcome to widemo')
  })
  await check('blobs/upload', async () => {
    for (const [name, text] of Object.entries(texts)) {
      await at(name).upload(text, Buffer.byteLength(text), { blobHTTPHeaders: { blobContentType: 'text/plain' }, metadata: { by: 'a_test' } })
      if (text) assert.equal((await at(name).downloadToBuffer()).toString(), text)
    }
  })
  await check('blobs/upload-blocks', async () => {
    const content = Buffer.alloc(3 << 20, '0123456789abcdef')
    await at('big').uploadData(content, { blockSize: 1 << 20, maxSingleShotSize: 1 << 20, concurrency: 2 })
    assert.ok(content.equals(await at('big').downloadToBuffer(0, undefined, { blockSize: 1 << 20 })), 'what came back differs from what was sent')
  })
  await check('blobs/ranges', async () => {
    assert.equal((await at('a/1.txt').downloadToBuffer(4, 3)).toString(), 'one')
    const open = await at('a/1.txt').download(4)
    assert.equal((await collect(open.readableStreamBody)).join(''), 'one.')
  })
  await check('blobs/properties', async () => {
    const got = await at('a/1.txt').getProperties()
    assert.equal(got.contentLength, 8)
    assert.equal(got.contentType, 'text/plain')
    assert.deepEqual(got.metadata, { by: 'a_test' })
    assert.equal(await at('no/such').exists(), false)
  })
  await check('blobs/conditions', async () => {
    await refused(at('b.txt').upload('x', 1, { conditions: { ifNoneMatch: '*' } }), 409, 'BlobAlreadyExists')
    await refused(at('b.txt').upload('x', 1, { conditions: { ifMatch: '"0x0"' } }), 412, 'ConditionNotMet')
  })
  await check('blobs/list-flat', async () => {
    const pages = await collect(container.listBlobsFlat({ prefix }).byPage({ maxPageSize: 4 }))
    assert.deepEqual(pages.flatMap(p => p.segment.blobItems.map(b => b.name.slice(prefix.length))), ['a/1.txt', 'a/2.txt', 'b.txt', 'big', 'empty', 'wé ird/+&?#%.txt'])
    assert.equal(pages.length, 2)
  })
  await check('blobs/list-hierarchy', async () => {
    const items = await collect(container.listBlobsByHierarchy('/', { prefix }))
    assert.deepEqual(items.map(i => `${i.kind} ${i.name.slice(prefix.length)}`).sort(), ['blob b.txt', 'blob big', 'blob empty', 'prefix a/', 'prefix wé ird/'])
  })
  await check('blobs/delete', async () => {
    await at('b.txt').delete()
    await refused(at('b.txt').download(), 404, 'BlobNotFound')
    await refused(at('b.txt').delete(), 404, 'BlobNotFound')
    assert.equal((await at('b.txt').deleteIfExists()).succeeded, false)
  })
  await check('blobs/container', async () => {
    const own = service.getContainerClient(`own-${s.run}`)
    await own.create()
    await refused(own.create(), 409, 'ContainerAlreadyExists')
    assert.ok((await collect(service.listContainers())).some(c => c.name === own.containerName))
    await own.delete()
  })
}
