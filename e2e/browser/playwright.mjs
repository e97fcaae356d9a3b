// Playwright and axe are packages of the page's own development.
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../web/package.json', import.meta.url))

export const { chromium } = require('playwright-core')
export const { AxeBuilder } = require('@axe-core/playwright')
