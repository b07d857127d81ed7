const DAY_MS = 86_400_000;

/**
 * A time as ISO 8601 in UTC: `2025-01-31T23:59:59.999Z`. Pure arithmetic: this package has no
 * calendar of the platform's.
 *
 * Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
 *
 * @param ms Milliseconds since 1970, at least 0.
 */
export function isoTime(ms: number): string {
  const { year, month, day } = civilDate(Math.floor(ms / DAY_MS));
  const rest = ms % DAY_MS;
  const hours = pad(Math.floor(rest / 3_600_000), 2);
  const minutes = pad(Math.floor(rest / 60_000) % 60, 2);
  const seconds = pad(Math.floor(rest / 1000) % 60, 2);
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
  return `${date}T${hours}:${minutes}:${seconds}.${pad(Math.floor(rest % 1000), 3)}Z`;
}

function civilDate(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468; // from 0000-03-01, so that leap days come last
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const yearDays = 365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const dayOfYear = dayOfEra - yearDays;
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
