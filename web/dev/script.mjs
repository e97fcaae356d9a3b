// Builders of events as the CLI says them, for the mock server.
import { markdown, markup, misleading } from './hostile.mjs'

let count = 0
const uuid = () => `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`

export const init = (o = {}) => ({ type: 'system', subtype: 'init', cwd: '/home/ana/projects/fetcher', model: 'claude-opus-5-5', permissionMode: 'default', slash_commands: ['compact', 'cost', 'review'], uuid: uuid(), ...o })
export const greeting = () => ({
  type: 'control_response',
  response: {
    subtype: 'success',
    request_id: 'init',
    response: {
      current_permission_mode: 'default',
      commands: [
        { name: 'compact', description: 'Clear the conversation but keep a summary in context', argumentHint: '[instructions]' },
        { name: 'context', description: 'Show what the context is filled with', argumentHint: '' },
        { name: 'cost', description: 'Show what this session has cost', argumentHint: '' },
        { name: 'code-review', description: 'Review the current diff for bugs', argumentHint: '[level]' },
      ],
      models: [
        { value: 'default', displayName: 'Default (recommended)', description: 'Opus 5.5 · $4/$20 per Mtok', supportsEffort: true, supportedEffortLevels: ['low', 'medium', 'high', 'xhigh', 'max'] },
        { value: 'sonnet', displayName: 'Sonnet', description: 'Sonnet 5.5 · Efficient for routine tasks', supportsEffort: true, supportedEffortLevels: ['low', 'medium', 'high', 'xhigh', 'max'] },
        { value: 'haiku', displayName: 'Haiku', description: 'Haiku 5.5 · Fastest for quick answers', supportsEffort: false },
      ],
    },
  },
})
export const prompt = (content, id = uuid()) => ({ type: 'carrel.prompt', id, uuid: id, author: 'ana', content })
export const state = (s) => ({ type: 'carrel.state', state: s })
export const lifecycle = (id, s) => ({ type: 'command_lifecycle', command_uuid: id, state: s, uuid: uuid() })
export const assistant = (content, o = {}) => ({ type: 'assistant', message: { id: uuid(), role: 'assistant', model: 'claude-opus-5-5', content, usage: { input_tokens: 18, cache_read_input_tokens: 41_200, cache_creation_input_tokens: 900, output_tokens: 420 } }, parent_tool_use_id: null, uuid: uuid(), ...o })
export const text = (t, o) => assistant([{ type: 'text', text: t }], o)
export const thinking = (t) => assistant([{ type: 'thinking', thinking: t }], { thinking_duration_ms: 4200 })
export const tool = (id, name, input, o) => assistant([{ type: 'tool_use', id, name, input }], o)
export const result = (id, content, data, o = {}) => ({ type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content, is_error: o.error === true }] }, parent_tool_use_id: o.parent ?? null, tool_use_result: data, uuid: uuid() })
export const ask = (id, toolName, input, toolUseId, o = {}) => ({ type: 'control_request', request_id: id, request: { subtype: 'can_use_tool', tool_name: toolName, display_name: toolName, input, tool_use_id: toolUseId, permission_suggestions: [], ...o } })
export const done = (o = {}) => ({ type: 'result', subtype: 'success', is_error: false, terminal_reason: 'completed', result: '', duration_ms: 41_300, total_cost_usd: 0.0612, usage: { input_tokens: 18, cache_read_input_tokens: 11_200, cache_creation_input_tokens: 900, output_tokens: 362 }, modelUsage: { 'claude-opus-5-5': { contextWindow: 200_000 } }, uuid: uuid(), ...o })

/** A message as it streams: its start, its pieces, the whole, its end. */
export function* stream(t, size = 6) {
  const id = uuid()
  const e = (event) => ({ type: 'stream_event', event, parent_tool_use_id: null, uuid: uuid() })
  yield e({ type: 'message_start', message: { id, model: 'claude-opus-5-5', usage: { input_tokens: 18, cache_read_input_tokens: 42_000, output_tokens: 1 } } })
  yield e({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
  for (let i = 0; i < t.length; i += size) yield e({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: t.slice(i, i + size) } })
  yield { ...text(t), message: { id, role: 'assistant', content: [{ type: 'text', text: t }] } }
  yield e({ type: 'content_block_stop', index: 0 })
  yield e({ type: 'message_stop' })
}

export const answer = `I’ll look at how \`fetch.go\` reports errors, then add a bounded retry around the request.

The important part is that **only idempotent requests** are repeated:

\`\`\`go
func (c *Client) do(ctx context.Context, req *http.Request) (*http.Response, error) {
	for n := 0; ; n++ {
		res, err := c.http.Do(req)
		if !retryable(res, err) || n >= c.retries {
			return res, err // the last answer, whatever it is
		}
		if err := c.wait(ctx, n); err != nil {
			return nil, fmt.Errorf("wait before attempt %d: %w", n+1, err)
		}
	}
}
\`\`\`

| Attempt | Delay | Jitter |
|---|--:|---|
| 1 | 0.5 s | ±50 % |
| 2 | 1 s | ±50 % |

1. A \`503\` is retried, a \`400\` is not.
2. \`Retry-After\` is obeyed, up to a minute.
`

const patch = (lines, oldStart = 41, newStart = 41) => [{ oldStart, oldLines: 4, newStart, newLines: 7, lines }]
const fetchGo = '/home/ana/projects/fetcher/internal/fetch/fetch.go'

export const retryTalk = [
  greeting(),
  prompt('The fetcher gives up on the first 503. Make it retry with backoff, and test it.', 'p1'),
  state('running'),
  lifecycle('p1', 'started'),
  init(),
  thinking('The user wants retries with backoff. I should read the fetcher first, and see how errors are reported.'),
  text(answer),
  tool('t1', 'Read', { file_path: fetchGo }),
  result('t1', '1\tpackage fetch', { type: 'text', file: { filePath: fetchGo, content: 'package fetch\n\nimport "net/http"\n', numLines: 142, startLine: 1, totalLines: 142 } }),
  tool('t2', 'Grep', { pattern: 'c.do\\(' }),
  result('t2', 'internal/fetch/fetch.go:41\ninternal/fetch/list.go:17', {}),
  tool('t3', 'TodoWrite', { todos: [{ content: 'Read how errors are reported', status: 'completed' }, { content: 'Retry with backoff', status: 'completed' }, { content: 'Test: 503 twice, then 200', status: 'in_progress' }, { content: 'Update the changelog', status: 'pending' }] }),
  result('t3', 'ok', {}),
  tool('t4', 'Edit', { file_path: fetchGo, old_string: 'if err != nil {\n\treturn nil, err', new_string: 'for n := 0; retryable(res, err) && n < c.retries; n++ {' }),
  result('t4', 'updated', { filePath: fetchGo, structuredPatch: patch([' \tres, err := c.do(req)', '-\tif err != nil {', '-\t\treturn nil, err', '+\tfor n := 0; retryable(res, err) && n < c.retries; n++ {', '+\t\tif err := c.wait(ctx, n); err != nil {', '+\t\t\treturn nil, err', '+\t\t}', ' \t}']) }),
  text('Now the test: a server that answers 503 twice, then 200.'),
  tool('t5', 'Write', { file_path: '/home/ana/projects/fetcher/internal/fetch/retry_test.go', content: 'package fetch\n\nfunc TestRetry(t *testing.T) {\n\t// 503 twice, then 200\n}\n' }),
  result('t5', 'created', { type: 'create', filePath: '/home/ana/projects/fetcher/internal/fetch/retry_test.go', structuredPatch: [] }),
  tool('t6', 'Bash', { command: 'go vet ./...', description: 'Check the code' }),
  result('t6', 'Exit code 1\ninternal/fetch/retry_test.go:3:14: undefined: testing', 'Error: Exit code 1', { error: true }),
  tool('t7', 'Agent', { description: 'Look for other callers', prompt: 'Find every caller of fetch.Get and say whether it may be repeated.' }),
  { type: 'system', subtype: 'task_started', task_id: 'a1', tool_use_id: 't7', description: 'Look for other callers', is_backgrounded: false, uuid: 'ts1' },
  tool('t8', 'Grep', { pattern: 'fetch.Get' }, { parent_tool_use_id: 't7' }),
  result('t8', 'cmd/main.go:12', {}, { parent: 't7' }),
  { type: 'system', subtype: 'task_notification', task_id: 'a1', tool_use_id: 't7', status: 'completed', summary: 'Two callers, both only **read**: they may be repeated.', uuid: 'ts2' },
  result('t7', 'Two callers.', {}),
  tool('t9', 'mcp__github__create_issue', { title: 'Retry policy', body: 'Write it down' }),
  result('t9', '{"number": 12}', {}),
]

export const waitingTalk = [
  ...retryTalk,
  text('The import is missing. I run the test once it is there.'),
  tool('t10', 'Bash', { command: 'go test ./internal/fetch -run Retry', description: 'Run the retry test' }),
  state('waiting'),
  ask('r1', 'Bash', { command: 'go test ./internal/fetch -run Retry', description: 'Run the retry test' }, 't10', {
    description: 'Run the retry test',
    permission_suggestions: [
      { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'go test *' }], behavior: 'allow', destination: 'localSettings' },
      { type: 'setMode', mode: 'acceptEdits', destination: 'session' },
    ],
  }),
]

const edit = { file_path: fetchGo, old_string: '\tres, err := c.do(req)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n', new_string: '\tres, err := c.do(req)\n\tfor n := 0; retryable(res, err) && n < c.retries; n++ {\n\t\tif err := c.wait(ctx, n); err != nil {\n\t\t\treturn nil, err\n\t\t}\n\t}\n' }
export const editTalk = [greeting(), prompt('Retry on 503.', 'pe'), lifecycle('pe', 'started'), init(), text('I’ll make the change.'), tool('te', 'Edit', edit), state('waiting'), ask('re', 'Edit', edit, 'te', { permission_suggestions: [{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }] })]

const questions = {
  questions: [
    { question: 'Which store shall the results go to?', header: 'Store', multiSelect: false, options: [{ label: 'SQLite', description: 'One file, nothing to run', preview: '```sh\nsqlite3 results.db\n```' }, { label: 'Postgres', description: 'A server, for several writers' }] },
    { question: 'Which extras?', header: 'Extras', multiSelect: true, options: [{ label: 'Metrics', description: 'For Prometheus' }, { label: 'Traces', description: 'OpenTelemetry' }] },
  ],
}
export const questionTalk = [greeting(), prompt('帮我把实验结果存起来。', 'pq'), lifecycle('pq', 'started'), init(), text('先确认两件事。'), tool('tq', 'AskUserQuestion', questions), state('waiting'), ask('rq', 'AskUserQuestion', questions, 'tq')]

const plan = { plan: '# Retry with backoff\n\n1. Read `internal/fetch/fetch.go`\n2. Wrap `do` in a bounded loop with jitter\n3. Test with a server that answers 503 twice\n\n## Not in it\n\n- Circuit breaking\n- Retrying `POST`\n' }
export const planTalk = [greeting(), prompt('Plan the retries first.', 'pp'), lifecycle('pp', 'started'), init({ permissionMode: 'plan' }), text('Here is what I would do.'), tool('tp', 'ExitPlanMode', plan), state('waiting'), ask('rp', 'ExitPlanMode', plan, 'tp')]

export const errorTalk = [
  greeting(),
  prompt('Why is the build slow?', 'px'),
  lifecycle('px', 'started'),
  init(),
  { ...text('API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary.'), error: 'server_error', is_api_error_message: true, api_error_status: 529 },
  done({ is_error: true, terminal_reason: 'api_error', api_error_status: 529 }),
  prompt('Try again.', 'px2'),
  lifecycle('px2', 'started'),
  init(),
  { type: 'system', subtype: 'api_retry', attempt: 3, max_retries: 10, retry_delay_ms: 4200, error_status: 529, error: 'overloaded', uuid: 'ar' },
  { type: 'brand_new_event', hello: 1 },
]

/** A conversation of about n events: turns with a look, an edit, a command and an answer. */
export function longTalk(n) {
  const out = [state('starting'), greeting(), state('ready')]
  for (let t = 0; out.length < n; t++) {
    const id = `long-${t}`
    const call = (k) => `${id}-${k}`
    out.push(
      prompt(`Step ${t}: look at attempt ${t} and mend it.`, id),
      lifecycle(id, 'started'),
      init(),
      thinking(`Step ${t} is like the one before it.`),
      tool(call('r'), 'Read', { file_path: fetchGo }),
      result(call('r'), 'package fetch', { file: { content: 'package fetch\n', numLines: 1 } }),
      tool(call('e'), 'Edit', { file_path: fetchGo, old_string: 'a', new_string: 'b' }),
      result(call('e'), 'done', { filePath: fetchGo, structuredPatch: patch([' func do() {', `-	return ${t}`, `+	return ${t + 1}`, ' }']) }),
      tool(call('b'), 'Bash', { command: `go test ./internal/fetch -run Attempt${t}` }),
      result(call('b'), 'ok', { stdout: `ok  fetcher/internal/fetch 0.${t}s\n`, stderr: '', interrupted: false }),
      text(t % 3 === 0 ? answer : `Attempt ${t} is **mended**: see \`fetch.go\`.\n\n- it is retried\n- it is bounded`),
      done(),
    )
  }
  return out.slice(0, n)
}

/** What answers may hold beside text and code. */
export const richTalk = [
  greeting(),
  prompt('Explain the back-off, draw it, and keep a list. It costs $5 or $10, I think.', 'rich'),
  lifecycle('rich', 'started'),
  init(),
  tool('todo', 'TodoWrite', { todos: [{ content: 'Read fetch.go', status: 'completed' }, { content: 'Write the back-off', status: 'completed' }, { content: 'Test: 503 twice, then 200', status: 'in_progress' }, { content: 'Document it', status: 'pending' }, { content: 'Bench', status: 'pending' }] }),
  result('todo', 'ok', {}),
  tool('ws', 'WebSearch', { query: 'exponential backoff jitter' }),
  result('ws', 'Links', { query: 'exponential backoff jitter', results: [{ content: [{ title: 'Exponential Backoff And Jitter', url: 'https://aws.example/blogs/jitter' }, { title: 'RFC 9110: Retry-After', url: 'https://www.rfc.example/rfc9110#retry-after' }] }] }),
  tool('mcp', 'mcp__tracker__find_issue', { query: 'retry' }),
  result('mcp', 'Issue 41: retry 503', undefined),
  tool('bg', 'Bash', { command: 'npm run watch', run_in_background: true }),
  { type: 'system', subtype: 'task_started', task_id: 'b1', tool_use_id: 'bg', description: 'npm run watch', is_backgrounded: true, uuid: uuid() },
  result('bg', 'Command running in background with ID: b1', { stdout: '', stderr: '', backgroundTaskId: 'b1' }),
  { type: 'system', subtype: 'background_tasks_changed', tasks: [{ task_id: 'b1' }], uuid: uuid() },
  text(`The delay before attempt $n$ is bounded[^1]:

$$
d_n = \\min\\left(60, \\tfrac{1}{2} \\cdot 2^{n}\\right) \\cdot (1 \\pm \\tfrac{1}{2})
$$

\`\`\`mermaid
flowchart LR
  A[Request] --> B{Answer?}
  B -- 200 --> C[Done]
  B -- 503 --> D[Wait] --> A
\`\`\`

It costs $5 or $10. See [github.com/retry](https://evil.example/retry).

[^1]: By a minute.
`),
  done({ usage: {}, modelUsage: { 'claude-opus-5-5': { contextWindow: 50_000 } } }),
  { type: 'carrel.history', left_out: 0 },
  { type: 'user', isReplay: true, uuid: uuid(), message: { role: 'user', content: 'And in the terminal I said this.' } },
  text('It reads the same.'),
]

/** What a hostile model may write. */
export const hostileTalk = [
  prompt('Summarise the page.', 'hostile'),
  init(),
  text([
    ...markup,
    ...markdown,
    ...misleading.map(([said]) => said),
    '```mermaid\nnot a drawing\n```',
    '>'.repeat(60) + ' deep',
    'w'.repeat(20_000),
  ].join('\n\n')),
  done(),
]
