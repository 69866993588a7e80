/** Language and theme: kept in the browser, first as the browser has them. */

export type Language = 'en' | 'zh'
export type Theme = 'system' | 'light' | 'dark'

function kept(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

const language = kept('language') ?? navigator.language.slice(0, 2)
const theme = kept('theme')

export const settings = $state({
  language: (language === 'zh' ? 'zh' : 'en') as Language,
  theme: (theme === 'light' || theme === 'dark' ? theme : 'system') as Theme,
})

/** Brings the page in line, and keeps what was chosen. */
export function settle(): void {
  const root = document.documentElement
  root.lang = settings.language === 'zh' ? 'zh-Hans' : 'en'
  if (settings.theme === 'system') delete root.dataset.theme
  else root.dataset.theme = settings.theme
  try {
    localStorage.setItem('language', settings.language)
    localStorage.setItem('theme', settings.theme)
  } catch {
    // A browser that keeps nothing still shows the page.
  }
}

export const calm = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches
