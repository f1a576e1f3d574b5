// The report that every program of these tests writes, whatever its language:
// one line a check, "ok NAME" or "FAIL NAME: reason"; exit code 1 when one failed.
import assert from 'node:assert/strict'

let failed = 0

export async function check (name, f) {
  try {
    await f()
    console.log(`ok ${name}`)
  } catch (error) {
    failed++
    console.log(`FAIL ${name}: ${String(error?.message ?? error).replace(/\s+/g, ' ')}`)
  }
}

export function end () {
  process.exitCode = failed > 0 ? 1 : 0
}

// refused expects an SDK's error with that status and code, the code being the
// error's or one within the body.
export async function refused (promise, status, code) {
  const error = await promise.then(() => undefined, e => e)
  assert.ok(error, `got an answer, want ${status} ${code}`)
  const seen = [error.code, error.message, JSON.stringify(error.details ?? {})].join(' ')
  assert.equal(error.statusCode, status, `got ${error.statusCode} ${seen}, want ${status} ${code}`)
  assert.ok(seen.includes(code), `got ${seen}, want ${code}`)
}

export async function collect (iterable) {
  const all = []
  for await (const item of iterable) all.push(item)
  return all
}
