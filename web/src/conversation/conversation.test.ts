import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { brief } from './brief'
import { fixture, play } from './fixture'
import { emptyConversation, type ToolRow } from './model'
import { reduce } from './reduce'
import { snapshot } from './rows'

const all = readdirSync(new URL('./testdata', import.meta.url))
  .filter((f) => f.endsWith('.jsonl'))
  .map((f) => f.replace('.jsonl', ''))

describe('every recorded conversation', () => {
  it.each(all)('%s can be read, at every moment', (name) => {
    const events = fixture(name)
    const c = emptyConversation()
    let before = snapshot(c)
    for (const e of events) {
      reduce(c, e)
      const s = snapshot(c, before)
      const keys = [...s.rows, ...s.queue].map((r) => r.key)
      expect(new Set(keys).size, `keys are unique after event ${e.seq}`).toBe(keys.length)
      before = s
    }
    expect(before.lastSeq).toBe(events.length)
  })

  it.each(all)('%s reads the same when events come again after a reconnect', (name) => {
    const events = fixture(name)
    const once = play(events).s
    const half = Math.floor(events.length / 2)
    const again = play([...events.slice(0, half), ...events.slice(Math.max(0, half - 20), half), ...events.slice(half)]).s
    expect(brief(again.rows)).toEqual(brief(once.rows))
  })
})

describe('a plain turn [01]', () => {
  const events = fixture('01-plain-turn')

  it('shows the text token by token and then the whole', () => {
    const live = play(events, (e) => e.event?.delta?.text === 'window ').s
    expect(brief(live.rows)).toEqual(['> [say 8] (started)', 'text live: the carrel by the window'])
    expect(live.activity).toBe('writing')
    const done = play(events).s
    expect(brief(done.rows)).toEqual(['> [say 8] (started)', 'text: the carrel by the window keeps its reade'])
    expect(done.activity).toBe('none')
  })

  it('keeps the key of a block when the whole replaces what was streamed', () => {
    const live = play(events, (e) => e.event?.delta?.text === 'reader ').s
    expect(play(events).s.rows.map((r) => r.key)).toEqual(live.rows.map((r) => r.key))
  })

  it('changes one row a token', () => {
    const c = emptyConversation()
    let before = snapshot(c)
    for (const e of events) {
      reduce(c, e)
      const now = snapshot(c, before)
      const isDelta = (e.event as any).event?.type === 'content_block_delta'
      if (isDelta) expect(now.rows.filter((r, i) => r !== before.rows[i])).toHaveLength(1)
      before = now
    }
  })

  it('knows model, mode, context and cost', () => {
    const { s } = play(events)
    expect(s).toMatchObject({ model: 'claude-opus-5-5', mode: 'default', contextWindow: 1_000_000, costUsd: 0.0028864 })
    expect(s.usage).toMatchObject({ input: 12, cacheRead: 13392 })
    expect(s.lastTurn).toMatchObject({ durationMs: 951, tokens: 13412 })
  })
})

it('lets thinking have a row of its own [02]', () => {
  const rows = brief(play(fixture('02-second-turn-kept')).s.rows)
  expect(rows).toContain('thinking: the carrel by the')
})

it('learns models and commands from the greeting [03]', () => {
  const { s } = play(fixture('03-initialize-first'))
  expect(s.models.map((m) => m.value)).toEqual(['default', 'opus', 'fable', 'sonnet', 'haiku'])
  expect(s.commands.map((c) => c.name)).toContain('code-review')
})

describe('permissions [04]', () => {
  const asked = (e: any) => e.type === 'control_request'

  it('asks, with what, why and the suggestions', () => {
    const { s } = play(fixture('04a-permission-allow-once'), asked)
    expect(s.activity).toBe('asking')
    expect(s.requests).toHaveLength(1)
    expect(s.requests[0]).toMatchObject({ toolName: 'Bash', description: 'Run mkdir -p made && touch made/x', input: { command: 'mkdir -p made && touch made/x' } })
    expect(s.requests[0]!.suggestions).toHaveLength(1)
    expect(brief(s.rows).at(-1)).toBe('Bash asking')
  })

  it('is closed by the answer, and the tool goes on', () => {
    const { s } = play(fixture('04a-permission-allow-once'))
    expect(s.requests).toEqual([])
    expect(brief(s.rows)).toEqual(['> [bash mkdir -p made && touch made/x] (started)', 'text: I will use a tool.', 'Bash done', 'text: Done.'])
  })

  it('offers each suggestion by itself [04b]', () => {
    const { s } = play(fixture('04b-permission-always'), asked)
    expect(s.requests[0]!.suggestions.map((x) => x.type)).toEqual(['addRules', 'addDirectories', 'setMode'])
  })

  it('shows a refusal as such [04c, 04d]', () => {
    const denied = play(fixture('04c-permission-deny')).s
    expect(brief(denied.rows)).toContain('Bash denied')
    const stopped = play(fixture('04d-permission-deny-interrupt')).s
    expect(brief(stopped.rows).slice(-2)).toEqual(['Bash denied', 'note stopped'])
  })

  it('is open again after a reload in the middle, and closed by the end of its process', () => {
    const events = fixture('04a-permission-allow-once')
    const c = play(events, asked).c
    reduce(c, { seq: c.lastSeq + 1, at: '', event: { type: 'carrel.state', state: 'waiting' } })
    expect(snapshot(c).requests).toHaveLength(1)
    reduce(c, { seq: c.lastSeq + 1, at: '', event: { type: 'carrel.state', state: 'dormant' } })
    expect(snapshot(c).requests).toHaveLength(0)
    expect(brief(snapshot(c).rows).at(-1)).toBe('Bash stopped')
  })
})

it('carries questions with their options [05]', () => {
  const { s } = play(fixture('05-ask-user-question'), (e) => e.type === 'control_request')
  const questions = s.requests[0]!.input.questions as any[]
  expect(questions.map((q) => q.question)).toEqual(['Which store?', 'Which extras?'])
  expect(questions[1].multiSelect).toBe(true)
  expect(brief(play(fixture('05-ask-user-question')).s.rows)).toContain('AskUserQuestion done')
})

it('carries a plan, and follows the mode it leads to [06]', () => {
  const events = fixture('06-exit-plan-mode')
  const first = play(events, (e) => e.type === 'control_request').s
  expect(first.mode).toBe('plan')
  expect(first.requests[0]).toMatchObject({ toolName: 'ExitPlanMode', input: { plan: expect.stringContaining('Write the file') } })
  const end = play(events).s
  expect(end.mode).toBe('acceptEdits')
  expect(brief(end.rows).filter((r) => r.startsWith('ExitPlanMode'))).toEqual(['ExitPlanMode denied', 'ExitPlanMode done'])
})

describe('interrupting [07]', () => {
  it('keeps the partial text and says once that it was stopped [07a]', () => {
    const rows = brief(play(fixture('07a-interrupt')).s.rows)
    expect(rows.slice(0, 3)).toEqual(['> [say 200 30] (started)', 'text aborted: the carrel by the window keeps its reade', 'note stopped'])
    expect(rows.filter((r) => r.startsWith('error'))).toEqual([])
  })

  it('withdraws an open request [07b]', () => {
    const events = fixture('07b-interrupt-open-permission')
    const open = play(events, (e) => e.type === 'control_request').s
    expect(open.requests).toHaveLength(1)
    const withdrawn = play(events, (e) => e.type === 'control_cancel_request').s
    expect(withdrawn.requests).toHaveLength(0)
    expect(brief(play(events).s.rows)).toEqual(expect.arrayContaining(['Bash stopped', 'note stopped']))
  })

  it('shows a killed command as stopped [07c]', () => {
    const rows = brief(play(fixture('07c-interrupt-running-tool')).s.rows)
    expect(rows).toContain('Bash stopped')
    expect(rows).toContain('note stopped')
  })
})

describe('subagents and tasks [12]', () => {
  it('nests what a subagent does in its call [12a]', () => {
    const { s } = play(fixture('12a-subagent'))
    expect(brief(s.rows)).toEqual(['> [task {bash touch sub.txt}{say 6}] [say 3] (started)', 'text: I will use a tool.', 'Agent done [Bash done]', 'text: the carrel by'])
    const agent = s.rows.find((r) => r.kind === 'tool') as ToolRow
    expect(agent.task).toMatchObject({ running: false, status: 'completed', toolUses: 1 })
  })

  it('asks for a subagent too', () => {
    const { s } = play(fixture('12a-subagent'), (e) => e.type === 'control_request')
    expect(s.requests[0]!.agentId).toBe('ad03cfdcc457c09dd')
    expect(brief(s.rows).at(-1)).toBe('Agent running [Bash asking]')
  })

  it('follows a command in the background beyond its turn [12b]', () => {
    const events = fixture('12b-background-bash')
    const turnOver = play(events, (e) => e.type === 'result').s
    expect(brief(turnOver.rows)).toContain('Bash background')
    expect(turnOver.backgroundTasks).toBe(1)
    const end = play(events).s
    expect(end.backgroundTasks).toBe(0)
    expect(brief(end.rows)).toEqual(expect.arrayContaining(['Bash done', 'Bash stopped', 'note taskEnded']))
  })
})

describe('tools [13]', () => {
  it('has patches for edits [13a]', () => {
    const { s } = play(fixture('13a-write-edit-read'))
    const edit = s.rows.find((r) => r.kind === 'tool' && r.name === 'Edit') as ToolRow
    expect(edit.status).toBe('done')
    expect((edit.result!.data.structuredPatch as any[])[0].lines).toContain('+TWO')
    expect(brief(s.rows).filter((r) => /^(Write|Edit|Read)/.test(r))).toEqual(['Write done', 'Edit done', 'Read done', 'Write done'])
  })

  it('keeps the list of tasks [13b]', () => {
    expect(play(fixture('13b-task-tools')).s.todos).toEqual([{ id: '1', text: 'Write the fix', status: 'in_progress' }])
  })

  it('shows failures and what it does not know [13c, 13f, 13g]', () => {
    expect(brief(play(fixture('13c-edit-fails')).s.rows)).toContain('Edit failed')
    expect(brief(play(fixture('13f-parallel-calls-one-fails')).s.rows)).toEqual(expect.arrayContaining(['Bash done', 'Bash failed']))
    expect(brief(play(fixture('13g-unknown-tool')).s.rows)).toContain('NotATool failed')
  })
})

describe('errors [14]', () => {
  it('drops the partial text when a cut stream begins anew [14e]', () => {
    const events = fixture('14e-drop-mid-stream')
    const retrying = play(events, (e) => e.subtype === 'api_retry').s
    expect(retrying.activity).toBe('retrying')
    expect(retrying.retry).toMatchObject({ attempt: 1, maxRetries: 10, delayMs: 539 })
    let starts = 0
    const anew = play(events, (e) => e.event?.type === 'message_start' && ++starts === 2).s
    expect(anew.rows.filter((r) => r.kind === 'text')).toEqual([])
    expect(anew.retry).toBeNull()
    expect(brief(play(events).s.rows)).toEqual(['> [drop 4 x1] [say 3] (started)', 'text: the carrel by the window'])
  })

  it('says an API error once, with its status [14c, 14k]', () => {
    expect(brief(play(fixture('14c-error-529-gives-up')).s.rows).filter((r) => r.startsWith('error'))).toEqual(['error api server_error 529'])
    expect(brief(play(fixture('14k-error-403')).s.rows).filter((r) => r.startsWith('error'))).toEqual(['error api authentication_failed 403'])
  })

  it('says what limits ended a turn [19]', () => {
    expect(brief(play(fixture('19a-max-turns')).s.rows).at(-1)).toBe('error turn max_turns -')
    expect(brief(play(fixture('19b-max-budget')).s.rows).filter((r) => r.startsWith('error')).at(-1)).toBe('error turn budget_exhausted -')
  })
})

describe('prompts during a turn [15]', () => {
  it('wait in the queue while text streams, then begin together [15a]', () => {
    const events = fixture('15a-prompt-during-text')
    const waiting = play(events, (e) => e.type === 'result').s
    expect(brief(waiting.queue)).toEqual(['> second [say 2] (queued)', '> third [say 3] (queued)'])
    const end = play(events).s
    expect(end.queue).toEqual([])
    expect(brief(end.rows).slice(1)).toEqual(['text: the carrel by the window keeps its reade', '> second [say 2] (started)', '> third [say 3] (started)', 'text: the carrel'])
  })

  it('are folded into a running turn after the tool [15b]', () => {
    const rows = brief(play(fixture('15b-prompt-during-tool')).s.rows)
    expect(rows.slice(1, 4)).toEqual(['text: I will use a tool.', 'Bash done', '> hold on [echo] (started)'])
  })

  it('vanish when cancelled [15c]', () => {
    const { s } = play(fixture('15c-queue-cancel'))
    expect(s.queue).toEqual([])
  })
})

describe('events of our own', () => {
  const of = (...events: unknown[]) => play(events.map((event, i) => ({ seq: i + 1, at: '', event }))).s

  it('shows a prompt before the CLI knows it, and its echo not at all', () => {
    const prompt = { type: 'carrel.prompt', id: 'a', uuid: 'u', author: 'ana', content: 'Hello' }
    expect(brief(of(prompt).queue)).toEqual(['> Hello (sent)'])
    const s = of(prompt, { type: 'system', subtype: 'init' }, { type: 'user', isReplay: true, uuid: 'u', message: { content: 'Hello' } })
    expect(brief(s.rows)).toEqual(['> Hello (started)'])
    expect(s.queue).toEqual([])
  })

  it('takes prompts that were withdrawn out of the queue, one or all', () => {
    const prompts = ['a', 'b', 'c'].map((id) => ({ type: 'carrel.prompt', id, uuid: id, author: 'ada', content: `${id}!` }))
    const one = of(...prompts, { type: 'carrel.withdrawn', id: 'b', author: 'ada' })
    expect(brief(one.queue)).toEqual(['> a! (sent)', '> c! (sent)'])
    expect(brief(one.rows)).toEqual([])
    expect(of(...prompts, { type: 'carrel.state', state: 'dormant', reason: 'withdrawn' }).queue).toEqual([])
    expect(of(...prompts, { type: 'carrel.state', state: 'dormant', reason: 'stopped' }).queue).toHaveLength(3)
  })

  it('says errors and the place in line', () => {
    const spent = { type: 'assistant', error: 'rate_limit', api_error_status: 429, message: { id: 'm', content: [{ type: 'text', text: 'API Error' }] } }
    expect(brief(of(spent, { type: 'carrel.error', code: 'budget_exceeded', detail: 'Spent.' }).rows)).toEqual(['error carrel budget_exceeded -'])
    const s = of({ type: 'carrel.state', state: 'queued' }, { type: 'carrel.queue', place: 3 }, { type: 'carrel.error', code: 'budget_exceeded', detail: 'Spent.' })
    expect([s.place, s.own]).toEqual([3, false])
    const own = of({ type: 'carrel.state', state: 'queued' }, { type: 'carrel.queue', place: 1, own: true })
    expect([own.place, own.own]).toEqual([1, true])
    expect(brief(s.rows)).toEqual(['error carrel budget_exceeded -'])
  })

  it('shows what it does not know raw, and survives nonsense', () => {
    const s = of(null, 7, [], {}, { type: 'brand_new' }, { type: 'assistant' }, { type: 'user', message: 3 }, { type: 'system' }, { type: 'stream_event' }, { type: 'result' }, { type: 'control_request', request: [] })
    expect(brief(s.rows)).toContain('raw brand_new')
  })
})
