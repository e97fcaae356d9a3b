import { expect, it } from 'vitest'
import type { Quota } from '@/api/wire'
import { formOf, lessThanUsed, quotaOf, unreadable } from './quotaForm'

const quota: Quota = { instances: 1, live_sessions: 3, cpu: 1.5, memory_bytes: 2 ** 31 + 7, pids: 512, storage_bytes: 5 * 2 ** 30, inodes: 500_000, tokens_per_day: null, tokens_per_month: 2_000_000 }

it('leaves what was not touched to the byte', () => {
  expect(quotaOf(formOf(quota), quota)).toEqual(quota)
})

it('reads what was typed', () => {
  const form = { ...formOf(quota), memoryGiB: '0.5', tokensPerDay: '1,000,000', tokensPerMonth: '', cpu: 'many' }
  expect(quotaOf(form, quota)).toMatchObject({ memory_bytes: 2 ** 29, tokens_per_day: 1_000_000, tokens_per_month: null, cpu: -1 })
})

it('names the fields that hold no number', () => {
  const form = formOf(quota)
  expect(unreadable(form)).toEqual([])
  expect(unreadable({ ...form, memoryGiB: 'banana', pids: '', cpu: '-1', tokensPerDay: '', tokensPerMonth: 'all' })).toEqual(['cpu', 'memoryGiB', 'pids', 'tokensPerMonth'])
  expect(unreadable({ ...form, inodes: '1_000 000', cpu: ' 0.5 ' })).toEqual([])
})

it('knows a limit on storage that is less than what is used', () => {
  const form = { ...formOf(quota), storageGiB: '1' }
  expect(lessThanUsed(form, quota, 2 * 2 ** 30)).toBe(true)
  expect(lessThanUsed(form, quota, 2 ** 30)).toBe(false)
  expect(lessThanUsed(form, quota, undefined)).toBe(false)
  expect(lessThanUsed({ ...form, storageGiB: 'x' }, quota, 2 ** 30)).toBe(false)
})
