// A server for looking at the page without Carrel: the contract's routes from
// memory, conversations from dev/script.mjs and the recorded fixtures
// (/s/fx-01-plain-turn). Development only; nothing of it is in the build.
import { createServer } from 'node:http'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { WebSocketServer } from 'ws'
import * as script from './script.mjs'
import { filesRoutes, fileBytes } from './files.mjs'

const dist = process.env.PAGE ?? new URL('../dist/', import.meta.url).pathname
const testdata = new URL('../src/conversation/testdata/', import.meta.url).pathname
const port = Number(process.env.PORT ?? 8420)

// MOCK_NOW stops the clock: what is shown is the same on every day.
const stopped = process.env.MOCK_NOW ? Date.parse(process.env.MOCK_NOW) : undefined
const now = stopped ?? Date.now()
const ago = (minutes) => new Date(now - minutes * 60_000).toISOString()
/** In the person's language, as a server's own words are. */
const words = (en, zh) => (process.env.MOCK_LANG === 'zh-CN' ? zh : en)
const quota = { instances: 1, live_sessions: 3, cpu: 2, memory_bytes: 2 * 2 ** 30, pids: 512, storage_bytes: 5 * 2 ** 30, inodes: 500_000, tokens_per_day: null, tokens_per_month: 2_000_000 }
const user = (id, username, role, o = {}) => ({ id, username, email: `${username}@example.org`, role, language: process.env.MOCK_LANG ?? 'en', active: true, created_at: ago(90_000), quota, ...o })

const users = [
  user(1, 'ana', 'admin', { last_seen_at: ago(0), usage: { tokens_today: 48_210, tokens_this_month: 913_000, cost_usd: 4.21, storage_bytes: 734_003_200 } }),
  user(2, 'bo', 'moderator', { last_seen_at: ago(190), usage: { tokens_today: 96_300, tokens_this_month: 1_840_000, cost_usd: 12.9, storage_bytes: 4_900_000_000 }, quota: { ...quota, tokens_per_day: 100_000 } }),
  user(3, 'chen', 'user', { email: 'chen.wei@example.org', last_seen_at: ago(20_000), usage: { tokens_today: 0, tokens_this_month: 3_400, cost_usd: 0.0612, storage_bytes: null }, quota: { ...quota, tokens_per_month: null } }),
  user(4, 'dora', 'user', { active: false, last_seen_at: null, usage: { tokens_today: 0, tokens_this_month: 0, cost_usd: 0, storage_bytes: null } }),
]
// Who looks: MOCK_ROLE=moderator for one who only invites.
if (process.env.MOCK_ROLE) users[0].role = process.env.MOCK_ROLE

const invitation = (n, role, by, minutes, o = {}) => ({ id: `inv_${n}`, role, created_by: by, created_at: ago(minutes), expires_at: ago(minutes - 10_080), used_at: null, ...o })
const invitations = process.env.MOCK_EMPTY === '1' ? [] : [invitation(1, 'user', 1, 12), invitation(2, 'moderator', 2, 3000), invitation(3, 'user', 2, 9000, { used_at: ago(8000), used_by: 3 }), invitation(4, 'user', 0, 20_000), invitation(5, 'user', 7, 30_000, { used_at: ago(29_000) })]

const audit = [
  [1, 'login', 'user-1', 2], [1, 'user.quota', 'user-3', 9, { quota }], [1, 'user.change', 'user-3', 10, { username: 'chen', role: 'user', active: true, password_changed: true }],
  [0, 'login.fail', '', 31, { code: 'unauthenticated', left_out: 12 }, '2001:db8:85a3:8d3:1319:8a2e:370:7348'], [0, 'login.fail', '', 32, { code: 'rate_limited' }, '203.0.113.9'],
  [2, 'invitation.create', 'inv_2', 3000, { role: 'moderator' }], [2, 'invitation.revoke', 'inv_9', 3001], [3, 'register', 'user-3', 8000, { username: 'chen', role: 'user' }], [3, 'token.create', 'tok_1', 8010, { name: 'nightly build' }],
  [3, 'token.delete', 'tok_0', 8011], [3, 'sign_in.end', 'log_1', 8012], [3, 'sign_in.end_others', 'user-3', 8013, { ended: 3 }], [3, 'me.password', 'user-3', 8014], [3, 'snapshot.restore', 'user-3', 8015, { id: 's-12' }],
  [1, 'instance.restart', 'user-2', 9000], [1, 'instance.destroy', 'user-3', 9001], [7, 'user.delete', 'user-6', 9100, { username: 'eve' }], [1, 'user.change', 'user-4', 9200, { username: 'dora', role: 'user', active: false, password_changed: false }],
  [1, 'user.create', 'user-4', 9300, { username: 'dora', role: 'user' }], [1, 'desk.polish', 'desk-4', 9400, { with: 'wax', twice: true }], [1, 'logout', 'user-1', 9500], [1, 'setup', 'user-1', 9999, { username: 'ana', role: 'admin' }],
].map(([actor_id, action, target, minutes, detail = {}, address = '192.0.2.7'], i, all) => ({ id: all.length - i, at: ago(minutes), actor_id, action, target, address, detail }))

/** A page of a list, as limit and cursor have it; MOCK_PAGE makes pages short. */
const pageOf = (list, q) => {
  const from = Number(q.get('cursor') ?? 0)
  const to = from + Number(process.env.MOCK_PAGE ?? q.get('limit') ?? 100)
  return { items: list.slice(from, to), next_cursor: to < list.length ? String(to) : null }
}

const chosen = (q) => (e) =>
  (!q.has('actor_id') || e.actor_id === Number(q.get('actor_id'))) &&
  (!q.has('action') || (q.get('action').endsWith('*') ? e.action.startsWith(q.get('action').slice(0, -1)) : e.action === q.get('action'))) &&
  (!q.has('target') || e.target === q.get('target')) &&
  (!q.has('since') || e.at >= q.get('since')) &&
  (!q.has('before') || e.at < q.get('before'))

const db = {
  config: { version: 'mock', needs_setup: process.env.MOCK_SETUP === '1', registration: 'invite', scripted: process.env.MOCK_SCRIPTED === '1', languages: ['en', 'zh-CN'] },
  users,
  invitations,
  signIns: [
    { id: 'log_a', agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36', address: '192.0.2.7', created_at: ago(9000), last_used_at: ago(1), expires_at: ago(-30_000), current: true },
    { id: 'log_b', agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1', address: '2001:db8:85a3:8d3:1319:8a2e:370:7348', created_at: ago(20_000), last_used_at: ago(90), expires_at: ago(-20_000), current: false },
    { id: 'log_c', agent: '', address: '', created_at: ago(30_000), last_used_at: null, expires_at: ago(-10_000), current: false },
  ],
  tokens: [{ id: 'a', name: 'nightly build', created_at: ago(9000), last_used_at: ago(30), expires_at: null }],
  push: { public_key: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4', subscriptions: [{ id: 'p', device: 'Chrome, Android', created_at: ago(9000), last_sent_at: ago(12), problem: '' }, { id: 'q', device: 'Safari, iPhone', created_at: ago(90), last_sent_at: null, problem: words('the push service did not take it: 403 Forbidden', '推送服务没有接收：403 Forbidden') }], settings: { requests: true, finished: true, failed: true, quiet: { from: '22:00', to: '07:00', zone: 'Asia/Shanghai' } } },
  projects: process.env.MOCK_EMPTY === '1' ? [] : ['fetcher', 'thesis', '实验报告'].map((name, i) => ({ name, created_at: ago(50_000), modified_at: ago(300 * (i + 1)) })),
}

/** Waves up to each figure's most, with a gap. What is counted is whole. */
const figures = (most) => ({
  step_seconds: 15,
  from: new Date(now - 3_600_000).toISOString(),
  series: Object.fromEntries(Object.entries(most).map(([name, top], n) => [name, Array.from({ length: 240 }, (_, i) => (i < 30 || (i > 120 && i < 135) ? null : (Number.isInteger(top) ? Math.round : Number)(top * (0.55 + 0.35 * Math.sin(i / (9 + n)) + 0.1 * Math.sin(i * 1.7)))))])),
})

/** The same, coarse: every eighth. */
const recent = (most) => Object.fromEntries(Object.entries(figures(most).series).map(([name, line]) => [name, line.filter((_, i) => i % 8 === 0)]))

const terminal = (id, project, o = {}) => ({ id, project, title: '', command: 'bash -l', foreground: '', created_at: ago(60), exited: false, exit_code: 0, ...o })
db.terminals = process.env.MOCK_EMPTY === '1' ? [] : [terminal('t1', 'fetcher', { foreground: 'vim' }), terminal('t2', 'thesis', { title: '监视 watch' }), terminal('t3', 'thesis', { exited: true, exit_code: 2 })]
const shown = '\x1b]0;fetcher: make test\x07$ make test\r\n\x1b[32mok\x1b[0m   fetcher 0.41s\r\n\x1b[31mFAIL\x1b[0m retry_test.go:31: 重试了 2 次，应为 3 次\r\n\x1b[33mwarn\x1b[0m \x1b[34mblue\x1b[0m \x1b[35mmagenta\x1b[0m \x1b[36mcyan\x1b[0m \x1b[90mdim\x1b[0m  https://example.org/build/7\r\n$ '

class Session {
  constructor(id, project, title, state, minutes, events) {
    Object.assign(this, { id, project, title, state, events: [], listeners: new Set(), at: ago(minutes), seen_at: ago(minutes), model: '', mode: 'default', effort: 'default' })
    for (const e of events) this.events.push({ type: 'event', session_id: id, seq: this.events.length + 1, at: ago(minutes), event: e })
  }
  json() {
    return { id: this.id, project: this.project, title: this.title, state: this.state, model: this.model, permission_mode: this.mode, effort: this.effort, created_at: ago(5000), last_activity_at: this.at, seen_at: this.seen_at, last_seq: this.events.length, usage: {}, cost_usd: 0.0612 }
  }
  push(event) {
    const frame = { type: 'event', session_id: this.id, seq: this.events.length + 1, at: new Date(stopped ?? Date.now()).toISOString(), event }
    this.events.push(frame)
    for (const send of this.listeners) send(frame)
  }
  become(state) {
    this.state = state
    this.at = new Date(stopped ?? Date.now()).toISOString()
    this.push(script.state(state))
    notify({ type: 'notice', kind: 'session', session: this.json() })
  }
}

const sessions = new Map()
const sockets = new Set()
const notify = (frame) => sockets.forEach((s) => s.send(JSON.stringify(frame)))
if (process.env.MOCK_EMPTY !== '1') {
  for (const s of [
    new Session('waiting', 'fetcher', 'Add retry to the fetcher', 'waiting', 0, script.waitingTalk),
    new Session('edit', 'fetcher', 'Retry on 503', 'waiting', 3, script.editTalk),
    new Session('running', 'fetcher', 'Port the tests to Vitest', 'running', 4, [script.greeting(), script.prompt('Port the tests to Vitest.', 'pr'), script.lifecycle('pr', 'started'), script.init()]),
    new Session('question', '实验报告', '整理实验报告的图表', 'waiting', 9, script.questionTalk),
    new Session('plan', 'fetcher', 'Plan the retries', 'waiting', 12, script.planTalk),
    new Session('done', 'fetcher', 'A bounded retry around every request that may be repeated', 'ready', 60, [...script.retryTalk, script.text('All done.'), script.done()]),
    new Session('hostile', 'fetcher', '<b>Hostile</b>', 'ready', 30, script.hostileTalk),
    new Session('rich', 'fetcher', 'Formulas, drawings, lists', 'ready', 30, script.richTalk),
    new Session('error', 'thesis', 'Why is the build slow?', 'dormant', 3000, script.errorTalk),
    new Session('empty', 'thesis', '', 'dormant', 5000, []),
  ])
    sessions.set(s.id, s)
}
if (process.env.MOCK_LONG) {
  // Of one that is asleep the page reads only what is looked at; else it reads back to the greeting of the process.
  const asleep = process.env.MOCK_ASLEEP === '1'
  sessions.set('long', new Session('long', 'fetcher', 'A long conversation', asleep ? 'dormant' : 'ready', 1, [...script.longTalk(Number(process.env.MOCK_LONG)), script.state(asleep ? 'dormant' : 'ready')]))
}
for (const f of readdirSync(testdata)) {
  if (!f.endsWith('.jsonl')) continue
  const events = readFileSync(join(testdata, f), 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l)).filter((r) => r.dir === '<' && r.line).map((r) => r.line)
  const s = new Session(`fx-${f.replace('.jsonl', '')}`, 'fixtures', f, 'dormant', 20_000, events)
  s.hidden = true
  sessions.set(s.id, s)
}

const pause = (ms) => new Promise((r) => setTimeout(r, ms))

async function turn(s, content, id) {
  s.push(script.prompt(content, id))
  s.become('running')
  s.push(script.lifecycle(id, 'started'))
  s.push(script.init({ permissionMode: s.mode }))
  await pause(400)
  s.stopped = false
  for (const e of script.stream(script.answer, 5)) {
    if (s.stopped) break
    s.push(e)
    await pause(12)
  }
  s.push(script.done(s.stopped ? { subtype: 'error_during_execution', is_error: true, terminal_reason: 'aborted_streaming', total_cost_usd: 0.07 } : { total_cost_usd: 0.09 }))
  s.become('ready')
}

async function runForever(s) {
  if (s.live) return
  s.live = true
  for (;;) {
    for (const e of script.stream(script.answer, 4)) {
      s.push(e)
      await pause(Number(process.env.MOCK_PACE ?? 40))
    }
  }
}

const routes = [
  ['DELETE', /^\/sessions\/([^/]+)\/prompts\/([^/]+)$/, ([id, prompt]) => {
    sessions.get(id).push({ type: 'carrel.withdrawn', id: decodeURIComponent(prompt), author: 'ana' })
    return { status: 204 }
  }],
  ['GET', /^\/config$/, (_, __, ___, signedIn) => ({ ...db.config, signed_in: signedIn })],
  ['POST', /^\/setup$/, (_, b) => (b.setup_code !== '0000' ? problem(403, 'forbidden', 'The set-up code is wrong. Look at what the server printed when it started.') : ((db.config.needs_setup = false), signIn(db.users[0])))],
  ['POST', /^\/auth\/login$/, (_, b) => (b.password === 'wrong' ? problem(401, 'unauthenticated', 'Wrong name or password.') : signIn(db.users.find((u) => u.username === b.username) ?? db.users[0]))],
  ['POST', /^\/auth\/logout$/, async () => {
    // The connection may be ended before the answer is there.
    for (const ws of streams.clients) ws.close(4401, 'The sign-in ended.')
    await pause(200)
    return { status: 204, cookie: 'mock=; Max-Age=0; Path=/' }
  }],
  ['GET', /^\/me$/, () => me()],
  ['PATCH', /^\/me$/, (_, b) => (b.current_password === 'wrong' ? problem(400, 'invalid', 'The present password is wrong.', [{ location: 'body.current_password', message: 'The present password is wrong.' }]) : Object.assign(db.users[0], b.email !== undefined && { email: b.email }, b.language && { language: b.language }) && me())],
  ['GET', /^\/invitations$/, (_, __, q) => pageOf(db.invitations, q)],
  ['POST', /^\/invitations$/, (_, b) => { const i = invitation(db.invitations.length + 1, b.role, 1, 0); db.invitations.unshift(i); return { ...i, secret: '5f0c-91ab-77de' } }],
  ['DELETE', /^\/invitations\/(.+)$/, ([id]) => { db.invitations = db.invitations.filter((i) => i.id !== id); return { status: 204 } }],
  ['GET', /^\/audit$/, (_, __, q) => pageOf(audit.filter(chosen(q)), q)],
  ['GET', /^\/snapshots$/, () => ({ items: process.env.MOCK_EMPTY === '1' ? [] : [['asked', 12], ['before_restore', 300], ['timed', 1500]].map(([kind, min]) => ({ id: `s-${min}`, kind, created_at: ago(min), bytes: 18_400_000 })), next_cursor: null })],
  ['POST', /^\/snapshots\/(.+)\/restore$/, () => ({ status: 204 })],
  ['GET', /^\/me\/push$/, () => db.push],
  ['PATCH', /^\/me\/push$/, (_, b) => (db.push.settings = { ...db.push.settings, ...b, quiet: b.no_quiet ? null : (b.quiet ?? db.push.settings.quiet) })],
  ['DELETE', /^\/me\/push\/(.+)$/, ([id]) => { db.push.subscriptions = db.push.subscriptions.filter((s) => s.id !== id); return { status: 204 } }],
  ['POST', /^\/me\/push\/test$/, () => ({ status: 204 })],
  ['GET', /^\/me\/sign-ins$/, () => ({ items: db.signIns, next_cursor: null })],
  ['DELETE', /^\/me\/sign-ins$/, () => { db.signIns = db.signIns.filter((s) => s.current); return { status: 204 } }],
  ['DELETE', /^\/me\/sign-ins\/(.+)$/, ([id]) => { db.signIns = db.signIns.filter((s) => s.id !== id); return { status: 204 } }],
  ['GET', /^\/me\/tokens$/, () => ({ items: db.tokens, next_cursor: null })],
  ['POST', /^\/me\/tokens$/, (_, b) => { const t = { id: String(Math.random()), name: b.name, created_at: ago(0), last_used_at: null, expires_at: null }; db.tokens.push(t); return { ...t, secret: 'carrel_4f9c1b7d2e8a5063c9d1f0e2b7a64d58' } }],
  ['DELETE', /^\/me\/tokens\/(.+)$/, ([id]) => { db.tokens = db.tokens.filter((t) => t.id !== id); return { status: 204 } }],
  ['GET', /^\/users$/, () => ({ items: db.users, next_cursor: null })],
  ['POST', /^\/users$/, (_, b) => { const u = user(db.users.length + 1, b.username, b.role, { last_seen_at: null, usage: { tokens_today: 0, tokens_this_month: 0, cost_usd: 0, storage_bytes: null } }); db.users.push(u); return u }],
  ['PATCH', /^\/users\/(\d+)$/, ([id], b) => Object.assign(db.users.find((u) => u.id === Number(id)), b)],
  ['PUT', /^\/users\/(\d+)\/quota$/, ([id], b) => (b.cpu < 0 ? problem(422, 'invalid', 'The quota has a value out of range.', [{ location: 'body.cpu', message: 'must be more than 0' }]) : Object.assign(db.users.find((u) => u.id === Number(id)), { quota: b }))],
  ['DELETE', /^\/users\/(\d+)$/, ([id]) => { db.users = db.users.filter((u) => u.id !== Number(id)); return { status: 204 } }],
  ['GET', /^\/instance$/, () => instance(1, 'active')],
  ['GET', /^\/instances$/, () => ({ items: [instance(1, 'active'), instance(2, 'idle'), instance(3, 'unhealthy')], next_cursor: null })],
  ['GET', /^\/instances\/history$/, () => ({ step_seconds: 120, from: new Date(now - 3_600_000).toISOString(), items: [1, 2, 3].map((id) => ({ user_id: id, series: recent({ cpu: [1.4, 0.02, 0.6][id - 1], memory_bytes: 0.6e9 * id }) })) })],
  ['GET', /^\/instances\/\d+\/history$/, () => figures({ cpu: 1.4, memory_bytes: 1.5e9, storage_bytes: 4e8, pids: 60 })],
  ['GET', /^\/server$/, () => ({
    version: 'mock', started_at: ago(9000), uptime_seconds: 540_000, status: 'ok', counts: { instances: { active: 1, idle: 1, unhealthy: 1 }, processes: { claude: 3 }, clients: 4 },
    troubled: [{ user_id: 3, status: 'unhealthy', detail: words('It does not answer.', '没有响应。') }],
    checks: [{ name: 'store', state: 'ok' }, { name: 'runtime', state: 'ok' }, { name: 'gateway', state: 'ok' }, { name: 'disk', state: 'warn', detail: words('2.1 GiB of 80.0 GiB free.', '剩余 2.1 GiB，共 80.0 GiB。'), remedy: words('Make room on the disk of the data folder, or lower snapshot.keep.', '请清理数据文件夹所在磁盘，或调低 snapshot.keep。') }],
  })],
  ['GET', /^\/server\/history$/, () => figures({ cpu: 3.2, memory_bytes: 9e9, memory_available_bytes: 6e9, pressure: 0.08, disk_free_bytes: 3e9, claude_processes: 14, running: 6, waiting: 2, queued: 3, clients: 12, requests: 40, tokens: 90_000, errors: 1 })],
  ['POST', /^\/instances\/(\d+)\/restart$/, ([id]) => instance(Number(id), 'starting')],
  ['DELETE', /^\/instances\/(\d+)$/, () => ({ status: 204 })],
  ['GET', /^\/terminals$/, () => ({ items: db.terminals, next_cursor: null })],
  ['POST', /^\/terminals$/, (_, b) => { const t = terminal(`n${db.terminals.length}`, b.project); db.terminals.push(t); return t }],
  ['PATCH', /^\/terminals\/(.+)$/, ([id], b) => Object.assign(db.terminals.find((t) => t.id === id), b)],
  ['DELETE', /^\/terminals\/(.+)$/, ([id]) => { db.terminals = db.terminals.filter((t) => t.id !== id); return { status: 204 } }],
  ['GET', /^\/projects$/, () => ({ items: db.projects, next_cursor: null })],
  ['POST', /^\/projects$/, (_, b) => { if (db.projects.some((p) => p.name === b.name)) return problem(409, 'conflict', `A project named ${b.name} is there already. Choose another name.`); const p = { name: b.name, created_at: ago(0), modified_at: ago(0) }; db.projects.push(p); return p }],
  ['DELETE', /^\/projects\/(.+)$/, ([name]) => { db.projects = db.projects.filter((p) => p.name !== decodeURIComponent(name)); return { status: 204 } }],
  ...filesRoutes,
  ['GET', /^\/sessions$/, () => ({ items: [...sessions.values()].filter((s) => !s.hidden).map((s) => s.json()), next_cursor: null })],
  ['POST', /^\/sessions$/, (_, b) => { const s = new Session(`new-${sessions.size}`, b.project, '', 'ready', 0, [script.greeting()]); s.mode = b.permission_mode ?? 'default'; sessions.set(s.id, s); return s.json() }],
  ['POST', /^\/sessions\/(.+)\/fork$/, ([id]) => { const from = sessions.get(id); const s = new Session(`copy-${sessions.size}`, from.project, from.title, 'dormant', 0, from.events.map((e) => e.event)); sessions.set(s.id, s); return s.json() }],
  ['POST', /^\/sessions\/(.+)\/rewind$/, () => ({ files: ['/home/ana/projects/fetcher/internal/fetch/fetch.go'], insertions: 4, deletions: 11 })],
  ['GET', /^\/sessions\/(.+)\/events$/, ([id], _, q) => { const s = sessions.get(id); if (!s) return problem(404, 'not_found', 'There is no such session.'); const limit = Number(q.get('limit') ?? 500); const before = Number(q.get('before')) || Infinity; const all = s.events.filter((e) => e.seq < before); const items = all.slice(-limit); return { items, next_cursor: items.length < all.length ? String(-items[0].seq) : null } }],
  ['GET', /^\/sessions\/(.+)\/tasks\/(.+)\/output$/, () => ({ output: '> watch\n\n12:04:07 built in 412 ms\n12:04:31 src/fetcher.ts changed\n12:04:31 built in 88 ms\n', total_bytes: 88, truncated: false })],
  ['GET', /^\/sessions\/(.+)$/, ([id]) => sessions.get(id)?.json() ?? problem(404, 'not_found', 'There is no such session.')],
  ['PATCH', /^\/sessions\/(.+)$/, ([id], b) => Object.assign(sessions.get(id), b).json()],
  ['DELETE', /^\/sessions\/(.+)$/, ([id]) => { sessions.delete(id); return { status: 204 } }],
]

const me = () => db.users[0]
const problem = (status, code, detail, errors) => ({ status, problem: { title: code, status, code, detail, errors } })
const signIn = (u) => ({ body: u, cookie: 'mock=1; Path=/; HttpOnly; SameSite=Lax' })
const instance = (id, status) => ({
  id: `i${id}`, user_id: id, status, runtime: 'oci', workspace: `user-${id}`, created_at: ago(600), last_activity_at: ago(id * 4), active_processes: id === 1 ? 3 : 0,
  processes: id === 1 ? [{ pid: 12, kind: 'claude', session_id: 'waiting', command: 'claude -p --input-format stream-json', started_at: ago(60), cpu_seconds: 12.4, memory_bytes: 172e6 }, { pid: 31, kind: 'terminal', command: 'bash -l', started_at: ago(20), cpu_seconds: 0.2, memory_bytes: 6e6 }, { pid: 44, kind: 'command', command: 'npm run dev -- --host', started_at: ago(5), cpu_seconds: 3.1, memory_bytes: 88e6 }] : [],
  health: id === 3 ? { status: 'unhealthy', consecutive_failures: 2, last_check_at: ago(0), detail: words('The supervisor does not answer.', '实例中的管理进程没有响应。') } : { status: 'healthy', consecutive_failures: 0, last_check_at: ago(0), detail: '' },
  usage: { cpu_seconds: 154 * id, memory_bytes: 0.6e9 * id, pids: 14 * id, storage_bytes: 0.9e9 * id, inodes: 8000 }, quota,
})

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json' }
// As internal/webui has it.
const policy =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://x')
  if (!url.pathname.startsWith('/api/v1/')) {
    let file = join(dist, url.pathname)
    if (!existsSync(file) || url.pathname === '/') file = join(dist, 'index.html')
    res.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': policy })
    return res.end(readFileSync(file))
  }
  let text = ''
  for await (const chunk of req) text += chunk
  const path = url.pathname.slice('/api/v1'.length)
  if (req.method === 'GET' && path === '/files/content') return fileBytes(url, res)
  const open = /^\/(config|setup|auth\/)/.test(path)
  const route = routes.find(([method, re]) => method === req.method && re.test(path))
  const signedIn = (req.headers.cookie ?? '').includes('mock=1')
  let out
  if (!open && !signedIn) out = problem(401, 'unauthenticated', 'Nobody is signed in.')
  else if (!route) out = problem(404, 'not_found', 'There is no such route.')
  else out = await route[2](route[1].exec(path).slice(1), text && req.headers['content-type']?.includes('json') ? JSON.parse(text) : {}, url.searchParams, signedIn)
  if (out.problem) {
    res.writeHead(out.status, { 'Content-Type': 'application/problem+json' })
    return res.end(JSON.stringify(out.problem))
  }
  const headers = { 'Content-Type': 'application/json', ...(out.cookie && { 'Set-Cookie': out.cookie }) }
  if (out.status === 204) {
    res.writeHead(204, headers)
    return res.end()
  }
  res.writeHead(200, headers)
  res.end(JSON.stringify(out.body ?? out))
})

// Two kinds of connection on one server.
const streams = new WebSocketServer({ noServer: true })
const ttys = new WebSocketServer({ noServer: true })
server.on('upgrade', (req, socket, head) => {
  const kind = req.url.startsWith('/api/v1/terminals/') ? ttys : streams
  kind.handleUpgrade(req, socket, head, (ws) => kind.emit('connection', ws, req))
})

// A terminal that says again what is typed.
ttys.on('connection', (socket, req) => {
  const t = db.terminals.find((o) => req.url.includes(`/${o.id}?`))
  const say = (frame) => socket.send(JSON.stringify(frame))
  const bytes = Buffer.from(shown)
  say({ type: 'attached', from: 0, to: bytes.length, cols: 80, rows: 24, modes: '' })
  socket.send(bytes)
  if (t?.exited) {
    say({ type: 'exit', exit_code: t.exit_code })
    return socket.close(1000)
  }
  socket.on('message', (data, binary) => {
    if (binary) return socket.send(Buffer.from(String(data).replace(/\r/g, '\r\n$ ')))
    const f = JSON.parse(data)
    say(f.type === 'ping' ? { type: 'pong' } : { ...f, type: 'size' })
  })
})

streams.on('connection', (socket) => {
  sockets.add(socket)
  const send = (frame) => socket.send(JSON.stringify(frame))
  const stops = new Map()
  socket.on('close', () => {
    sockets.delete(socket)
    for (const stop of stops.values()) stop()
  })
  send({ type: 'hello', user: db.users[0], version: 'mock' })
  socket.on('message', (data) => {
    const f = JSON.parse(data)
    const s = sessions.get(f.session_id)
    if (f.type === 'ping') return send({ type: 'error', code: 'invalid', detail: 'There is no such type of message.' })
    if (!s) return send({ type: 'error', id: f.id, session_id: f.session_id, code: 'not_found', detail: 'There is no such session.' })
    if (f.id && ['interrupt', 'stop', 'set'].includes(f.type)) send({ type: 'ack', id: f.id, session_id: s.id })
    switch (f.type) {
      case 'subscribe':
        for (const e of s.events) if (e.seq > f.after) send(e)
        s.listeners.add(send)
        stops.set(s.id, () => s.listeners.delete(send))
        if (s.id === 'running') void runForever(s)
        if (s.id === 'long' && process.env.MOCK_TALKS === '1') void runForever(s)
        return
      case 'unsubscribe':
        return stops.get(s.id)?.()
      case 'prompt':
        send({ type: 'ack', id: f.id })
        if (f.content === 'fail') return send({ type: 'error', id: f.id, session_id: s.id, code: 'budget_exceeded', detail: 'This month’s 2,000,000 tokens are used. They begin anew on 1 December.' })
        if (s.state === 'running') return s.push(script.prompt(f.content, f.id))
        return void turn(s, f.content, f.id)
      case 'answer':
        s.push({ type: 'carrel.answer', request_id: f.request_id, behavior: f.behavior, author: 'ana', message: f.message })
        console.log('answer', JSON.stringify(f))
        return void (async () => {
          s.become('running')
          await pause(500)
          for (const e of script.stream('Understood, I go on with that.', 5)) {
            s.push(e)
            await pause(20)
          }
          s.push(script.done())
          s.become('ready')
        })()
      case 'stop':
        s.push({ type: 'system', subtype: 'task_notification', task_id: f.task_id, tool_use_id: 'bg', status: 'stopped', summary: 'Stopped', uuid: String(Math.random()) })
        return s.push({ type: 'system', subtype: 'background_tasks_changed', tasks: [], uuid: String(Math.random()) })
      case 'interrupt':
        s.stopped = true
        return
      case 'set':
        if (f.model) s.model = f.model
        if (f.effort) s.effort = f.effort
        if (f.permission_mode) {
          s.mode = f.permission_mode
          s.push({ type: 'system', subtype: 'status', status: null, permissionMode: s.mode, uuid: String(Math.random()) })
        }
        return notify({ type: 'notice', kind: 'session', session: s.json() })
    }
  })
})

server.listen(port, '127.0.0.1', () => console.log(`mock on http://127.0.0.1:${server.address().port}`))
