// The theme that was chosen, before anything is painted: a module would come too late and the page would flash.
"use strict";
{
  let chosen = null;
  try { chosen = localStorage.getItem("chaincast-theme"); } catch { /* storage is turned off: the system's theme it is */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
