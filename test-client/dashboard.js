// The dashboard.

/** Fills `root`; what it answers is started when the view is shown, and stopped when it is hidden. */
export function mountDashboard(root, _context) {
  root.textContent = "";
  return { start() {}, stop() {} };
}
