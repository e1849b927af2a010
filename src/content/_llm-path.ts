/** The ways in which a server of models may read a path: for each, segments with the fixed words as they are written. */
import { readPath } from "../wire/path-readings.ts";

const WORDS: ReadonlyMap<string, string> = new Map(
  [
    ...["model", "models", "tunedModels", "endpoints", "async-invoke", "deployments", "engines", "publishers"],
    ...["locations", "api", "predictions", "threads", "assistants", "completions", "messages", "count_tokens"],
    ...[
      "batches",
      "images",
      "audio",
      "generate",
      "chat",
      "embed",
      "embeddings",
      "responses",
      "invocations",
      "v1",
      "v2",
    ],
    ...["invocations-response-stream", "converse", "converse-stream", "invoke", "invoke-with-response-stream"],
    ...["moderations", "feature-extraction", "generateContent", "streamGenerateContent", "generateMessage"],
    ...["generateText", "countTokens", "embedContent", "batchEmbedContents", "predict", "serverStreamingPredict"],
    ...["rawPredict", "streamRawPredict", "predictLongRunning"],
  ].map((word) => [word.toLowerCase(), word]),
);

/** Null: nobody knows how it is read. Usually one. */
export function llmPaths(path: string): readonly (readonly string[])[] | null {
  const read = readPath(path);
  if (read === null) return null;
  const found: (readonly string[])[] = [];
  for (const reading of read.readings) {
    const segments = reading.filter((segment) => segment !== "");
    found.push(segments);
    if (segments.some((segment) => spelled(segment) !== segment)) found.push(segments.map(spelled));
  }
  return found;
}

function spelled(segment: string): string {
  const colon = segment.lastIndexOf(":") + 1;
  const word = WORDS.get(segment.slice(colon).toLowerCase());
  return word === undefined ? segment : segment.slice(0, colon) + word;
}
