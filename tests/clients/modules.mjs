// The page's modules, for what of them needs no browser. They are served as scripts of a page, not kept as a package, so Node has to be told
// that they are modules.

import { register } from "node:module";

const hook = `export const load = (url, context, next) => next(url, url.includes("/test-client/") ? { ...context, format: "module" } : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

/** A module of the page, by its file's name. */
export const pageModule = (name) => import(new URL(`../../test-client/${name}`, import.meta.url).href);
