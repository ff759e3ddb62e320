// Drawn for the size they have; each is decoration beside a label.
import { useId } from "react";

/** The drop: empty, as long as what was typed is only here; half, on its way; full, when it is saved. */
export function Drop({ fill }: { fill: 0 | 0.5 | 1 }) {
  const clip = useId();
  return (
    <svg className="drop" viewBox="0 0 16 20" width="13" height="16" aria-hidden="true">
      <clipPath id={clip}><rect x="0" y={20 - 20 * (fill === 0.5 ? 0.48 : fill)} width="16" height="20" /></clipPath>
      <path d="M8 1.5c3.600 4.700 6 7.600 6 11a6 6 0 0 1-12 0c0-3.400 2.400-6.300 6-11Z" fill="currentColor" clipPath={`url(#${clip})`} />
      <path d="M8 1.5c3.600 4.700 6 7.600 6 11a6 6 0 0 1-12 0c0-3.400 2.400-6.300 6-11Z" fill="none" stroke="currentColor" strokeWidth="1.500" />
    </svg>
  );
}

const line = { fill: "none", stroke: "currentColor", strokeWidth: 1.5, strokeLinecap: "round", strokeLinejoin: "round" } as const;

export const LinkIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}>
    <path d="M8.500 11.500a3.500 3.500 0 0 0 5 0l2.500-2.500a3.500 3.500 0 0 0-5-5L10 5M11.500 8.500a3.500 3.500 0 0 0-5 0L4 11a3.500 3.500 0 0 0 5 5l1-1" />
  </svg>
);
export const EyeIcon = () => (
  <svg viewBox="0 0 20 20" width="15" height="15" aria-hidden="true" {...line}><path d="M2 10c2-3.500 4.700-5 8-5s6 1.500 8 5c-2 3.500-4.700 5-8 5s-6-1.500-8-5Z" /><circle cx="10" cy="10" r="2.300" /></svg>
);
export const ClockIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}><circle cx="10" cy="10" r="7" /><path d="M10 6v4l2.500 2" /></svg>
);
export const FlowIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}><path d="M3 5h6M6 10h7M10 15h7" strokeWidth="2" /></svg>
);
export const CloseIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}><path d="m5 5 10 10M15 5 5 15" /></svg>
);
export const SunIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}>
    <circle cx="10" cy="10" r="3.200" /><path d="M10 2.500v1.500M10 16v1.500M2.500 10H4M16 10h1.500M4.700 4.700l1 1M14.300 14.300l1 1M15.300 4.700l-1 1M5.700 14.300l-1 1" />
  </svg>
);
export const MoonIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}><path d="M16 11.800A6.500 6.500 0 1 1 8.200 4a5.200 5.200 0 0 0 7.800 7.800Z" /></svg>
);
export const AutoIcon = () => (
  <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" {...line}><circle cx="10" cy="10" r="6.500" /><path d="M10 3.500v13a6.500 6.500 0 0 0 0-13Z" fill="currentColor" /></svg>
);
