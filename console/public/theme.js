// The chosen theme, set before anything is painted. No choice means the system's.
try {
  const theme = localStorage.getItem("latchkey.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme stands.
}
