// What is said of a film and its maps below the pictures and in exports.

import { namesOf } from "./annotations.js";
import { rulerLines } from "./lengths.js";
import { areaShare, coverageOf, regionShare } from "./regions.js";

/** The lines below a picture: its peak, what lies in the regions; below the bare film its lengths. */
export function linesOf(film, picture) {
  return [...peakLines(film, picture), ...regionLines(film, picture), ...(picture === film.panel ? lengthLines(film) : [])];
}

/** The same and how the film is shown, for exports. */
export function exportLines(film, picture) {
  const isKnown = film.known.length && film.viewer.state.look.known;
  const known = isKnown ? [`Dashed: ${namesOf(film.known)}`] : [];
  return [`Film: ${film.bar.windowInWords}`, ...peakLines(film, picture), ...regionLines(film, picture), ...lengthLines(film), ...known];
}

function peakLines({ viewer, peaks }, picture) {
  const peak = viewer.state.look.peak && peaks.get(picture);
  return peak ? [`Peak at ${placeInWords(peak)}`] : [];
}

function regionLines({ reading }, picture) {
  if (picture.failure) return [];
  return reading.regions.map((region, i) => {
    const { geometry } = picture;
    const inside = coverageOf(region, geometry);
    const area = `${percent(areaShare(inside, geometry))} of ${seesAll(geometry) ? "the film" : "what the network sees"}`;
    return `${i + 1}: ${picture.map ? `${shareInWords(regionShare(picture.map, inside))} in ${area}` : area}`;
  });
}

function lengthLines({ reading, about }) {
  return rulerLines(reading.rulers, about.spacing);
}

export function placeInWords([row, column]) {
  return `x ${Math.floor(column)}, y ${Math.floor(row)}`;
}

function seesAll({ seen_box: [top, left, bottom, right], original_size: [height, width] }) {
  return top < 0.5 && left < 0.5 && bottom > height - 0.5 && right > width - 0.5;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function shareInWords(share) {
  return share === null ? "no positive evidence" : `${percent(share)} of the map`;
}
