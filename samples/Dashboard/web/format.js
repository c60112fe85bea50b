// Numbers, times and bytes as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });

export const count = value => whole.format(value);

export const rate = value => value < 10_000 ? whole.format(value) : short.format(value);

export function bytes(value) {
  if (value < 1000) return `${whole.format(value)} B`;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.5) return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  }
  return `${value.toFixed(0)} TB`;
}

export function microseconds(value) {
  if (value < 1000) return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} µs`;
  return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} ms`;
}

export const milliseconds = value => value === null ? "–" : microseconds(value * 1000);

export function duration(value) {
  const seconds = Math.max(0, Math.floor(value / 1000));
  const two = number => String(number).padStart(2, "0");
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

export function time(value) {
  const date = new Date(value);
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export const hex = digits => digits.replace(/../g, "$& ").trimEnd();

export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
