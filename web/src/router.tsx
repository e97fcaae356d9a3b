import type { FetchQueryOptions, QueryClient, QueryKey } from '@tanstack/react-query'
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, notFound, Outlet, redirect } from '@tanstack/react-router'
import { ApiError } from './api/client'
import { noteKnown } from './api/early'
import { queries } from './api/queries'
import type { Role } from './api/wire'
import { Loading } from './components/Empty'
import { isLocale, setLocale } from './i18n/locale'
import { m } from './i18n/paraglide/messages.js'
import { Shell } from './modules/shell/Shell'
import { forgetOthers } from './modules/shell/signOut'
import { bringBack, forgetKept, kept } from './offline/page'
import { HomePage } from './pages/HomePage'
import { Broken, NotFound } from './pages/Broken'
import { LoginPage } from './pages/LoginPage'
import { stream } from './stream/page'
import { choiceOf, filterOf } from './modules/admin/auditFilter'
import { pathShown, trash } from './modules/files/paths'
import { isWorkTab, type WorkTab } from './modules/conversation/work/tabs'
import { useMe } from './modules/shell/me'

interface Context {
  client: QueryClient
}

const root = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: NotFound, errorComponent: Broken })

/** What a view shows is asked for before the view is drawn, and not waited for. */
function ask(client: QueryClient, ...wanted: { queryKey: QueryKey; queryFn?: unknown }[]): void {
  for (const query of wanted) void client.prefetchQuery(query as FetchQueryOptions)
}

/** So long the server may take before what the device kept is shown. */
const patienceMs = 4000
const patience = () => new Promise<null>((r) => setTimeout(() => r(null), patienceMs))

/** Everything behind the sign-in. Who is not signed in goes there, or to the set-up, and comes back. */
const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  beforeLoad: async ({ context, location }) => {
    // Asked for together, and known before anything is drawn: what it adds to every view would push them down. Once
    // something is drawn nothing waits for it, least of all without a server.
    const config = context.client.getQueryData(queries.me().queryKey) ? null : context.client.ensureQueryData(queries.config()).catch(() => null)
    try {
      const answer = context.client.ensureQueryData(queries.me())
      // A network that swallows what is asked says no more than one that is not there. What the server says after all is still heard.
      if ((await Promise.race([answer, patience()])) === null && (await bringBack(context.client))) return void answer.catch(() => {})
      const me = await answer
      noteKnown(me.role)
      void kept.belongTo(me.id)
      forgetOthers(me.id)
      if (isLocale(me.language)) setLocale(me.language)
      await Promise.race([config, patience()])
    } catch (e) {
      if (!(e instanceof ApiError)) throw e
      if (e.code === 'unreachable' && (await bringBack(context.client))) return
      if (e.status !== 401) throw e
      await forgetKept()
      if ((await config)?.needs_setup) throw redirect({ to: '/setup' })
      throw redirect({ to: '/login', search: location.pathname === '/' ? {} : { next: location.pathname } })
    }
  },
  loader: ({ context }) => ask(context.client, queries.sessions()),
  component: function App() {
    return <Shell me={useMe()} />
  },
})

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (s: Record<string, unknown>): { next?: string } => {
    // Only a path of our own: a link must not lead people elsewhere after they signed in.
    const next = s.next
    return typeof next === 'string' && /^\/(?![/\\\s])/.test(next) ? { next } : {}
  },
  beforeLoad: async ({ context }) => {
    const config = await context.client.ensureQueryData(queries.config()).catch(() => null)
    if (config?.needs_setup) throw redirect({ to: '/setup' })
  },
  component: LoginPage,
})

const setup = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  beforeLoad: async ({ context }) => {
    const config = await context.client.fetchQuery({ ...queries.config(), staleTime: 0 }).catch(() => null)
    if (config && !config.needs_setup) throw redirect({ to: '/login' })
  },
  component: lazyRouteComponent(() => import('./pages/SetupPage'), 'SetupPage'),
})

const register = createRoute({
  getParentRoute: () => root,
  path: '/register',
  validateSearch: (s: Record<string, unknown>): { invitation?: string } => (typeof s.invitation === 'string' ? { invitation: s.invitation } : {}),
  beforeLoad: async ({ context }) => {
    await context.client.ensureQueryData(queries.config()).catch(() => null) // what it adds to the page is known before that is drawn
  },
  component: lazyRouteComponent(() => import('./pages/RegisterPage'), 'RegisterPage'),
})

const home = createRoute({
  getParentRoute: () => app,
  path: '/',
  // The way in from the system's menu of the installed app.
  validateSearch: (s: Record<string, unknown>): { add?: boolean } => (s.add === true ? { add: true } : {}),
  loader: ({ context }) => ask(context.client, queries.projects()),
  component: HomePage,
})
const session = createRoute({
  getParentRoute: () => app,
  path: '/s/$sessionId',
  // The event to open it at, a place that was found; and what of the work beside it is shown.
  validateSearch: (s: Record<string, unknown>): { at?: number; work?: WorkTab } => ({
    ...(typeof s.at === 'number' && Number.isSafeInteger(s.at) && s.at > 0 && { at: s.at }),
    ...(isWorkTab(s.work) && { work: s.work }),
  }),
  // Not waited for: the page shows what it has.
  loader: ({ params, preload }) => {
    if (!preload) stream.prepare(params.sessionId)
  },
  component: lazyRouteComponent(() => import('./pages/SessionPage'), 'SessionPage'),
})
const projects = createRoute({
  getParentRoute: () => app,
  path: '/projects',
  validateSearch: (s: Record<string, unknown>): { add?: boolean } => (s.add === true ? { add: true } : {}),
  loader: ({ context }) => ask(context.client, queries.projects()),
  component: lazyRouteComponent(() => import('./pages/ProjectsPage'), 'ProjectsPage'),
})
const files = createRoute({
  getParentRoute: () => app,
  path: '/files/$',
  validateSearch: (s: Record<string, unknown>): { tabs?: string[]; line?: number; find?: string; in?: 'names' | 'lines' } => ({
    ...(Array.isArray(s.tabs) && s.tabs.length > 0 && { tabs: s.tabs.filter((t): t is string => typeof t === 'string').slice(0, 20) }),
    ...(typeof s.line === 'number' && s.line > 0 && { line: s.line }),
    ...(s.find !== undefined && { find: String(s.find as string) }),
    ...((s.in === 'names' || s.in === 'lines') && { in: s.in }),
  }),
  loader: ({ context, params, preload }) => (preload ? undefined : ask(context.client, pathShown(params) === trash ? queries.trash() : queries.folder(pathShown(params)))),
  component: lazyRouteComponent(() => import('./pages/FilesPage'), 'FilesPage'),
})
const search = createRoute({
  getParentRoute: () => app,
  path: '/search',
  validateSearch: (s: Record<string, unknown>): { q?: string } => (typeof s.q === 'string' && s.q !== '' ? { q: s.q } : {}),
  component: lazyRouteComponent(() => import('./pages/SearchPage'), 'SearchPage'),
})
const terminals = createRoute({ getParentRoute: () => app, path: '/terminal', component: lazyRouteComponent(() => import('./pages/TerminalPage'), 'TerminalPage') })
const terminal = createRoute({ getParentRoute: () => terminals, path: '$terminalId' })
const share = createRoute({
  getParentRoute: () => app,
  path: '/share',
  validateSearch: (s: Record<string, unknown>): { lost?: boolean } => (s.lost === true ? { lost: true } : {}),
  component: lazyRouteComponent(() => import('./pages/SharePage'), 'SharePage'),
})
const more = createRoute({ getParentRoute: () => app, path: '/more', component: lazyRouteComponent(() => import('./pages/MorePage'), 'MorePage') })
const snapshots = createRoute({ getParentRoute: () => app, path: '/snapshots', component: lazyRouteComponent(() => import('./pages/SnapshotsPage'), 'SnapshotsPage') })
const account = createRoute({ getParentRoute: () => app, path: '/account', loader: ({ context }) => ask(context.client, queries.tokens(), queries.signIns()), component: lazyRouteComponent(() => import('./pages/AccountPage'), 'AccountPage') })
/** For others these views are not there; the frame around them is. The server refuses what they ask anyway. */
const onlyFor = (...roles: Role[]) => ({
  beforeLoad: ({ context }: { context: Context }): void => {
    const me = context.client.getQueryData(queries.me().queryKey)
    if (me && !roles.includes(me.role)) throw notFound()
  },
  notFoundComponent: NotFound,
})
const adminsOnly = onlyFor('admin')
const users = createRoute({ getParentRoute: () => app, path: '/admin/users', ...adminsOnly, loader: ({ context }) => ask(context.client, queries.users()), component: lazyRouteComponent(() => import('./pages/UsersPage'), 'UsersPage') })
const invitations = createRoute({ getParentRoute: () => app, path: '/admin/users/invitations', ...onlyFor('admin', 'moderator'), component: lazyRouteComponent(() => import('./pages/InvitationsPage'), 'InvitationsPage') })
const instances = createRoute({ getParentRoute: () => app, path: '/admin/instances', ...adminsOnly, loader: ({ context }) => ask(context.client, queries.instances(), queries.users()), component: lazyRouteComponent(() => import('./pages/InstancesPage'), 'InstancesPage') })
const server = createRoute({ getParentRoute: () => app, path: '/admin/server', ...adminsOnly, component: lazyRouteComponent(() => import('./pages/ServerPage'), 'ServerPage') })
const audit = createRoute({
  getParentRoute: () => app,
  path: '/admin/audit',
  ...adminsOnly,
  validateSearch: filterOf,
  loaderDeps: ({ search }) => search,
  loader: ({ context, deps, preload }) => void (preload || context.client.prefetchInfiniteQuery(queries.audit(choiceOf(deps)))),
  component: lazyRouteComponent(() => import('./pages/AuditPage'), 'AuditPage'),
})

/** An address that is none: the frame stays. */
const nowhere = createRoute({ getParentRoute: () => app, path: '$', component: NotFound })

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: root.addChildren([login, setup, register, app.addChildren([home, session, projects, files, search, terminals.addChildren([terminal]), share, more, snapshots, account, users, invitations, instances, server, audit, nowhere])]),
    context: { client },
    defaultPreload: 'intent',
    defaultPendingComponent: () => <Loading label={m.loading()} />,
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: NotFound,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
  interface HistoryState {
    /** At the sign-in: whose address `next` is, where the page knows it. For others it may be nothing. */
    nextOf?: number
  }
}
