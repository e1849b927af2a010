/**
 * Whole pages of ordinary text written for this project: licences and contracts, mail, logs, settings, code in many languages,
 * manuals, transcripts of chats, results of tools, markup, and security writing that talks of attacks without being one. The
 * corpora are nearly all short orders; this is what bodies are mostly made of.
 */
import type { Row } from "./corpora.ts";
import { type Chance, fill, type Grammar, pick } from "./grammar.ts";

const PARTS: Grammar = {
  who: [
    "Marta",
    "Mr. Okafor",
    "the board",
    "our auditors",
    "Team Blue",
    "Dr. Lindqvist",
    "a customer",
    "the tenant",
    "Yuki",
    "Operations",
  ],
  thing: [
    "the invoice",
    "the parser",
    "the pump",
    "the index",
    "the library",
    "the cache",
    "the schedule",
    "the report",
    "the device",
    "the archive",
    "the account",
    "the model",
  ],
  place: [
    "Ghent",
    "room 4",
    "the staging cluster",
    "the wiki",
    "port 8443",
    "the warehouse",
    "/var/lib/app",
    "the second floor",
  ],
  when: ["on Thursday", "before noon", "in Q3", "after the release", "2025-11-02", "at 07:40", "next spring"],
  num: ["3", "12", "47", "0.5", "1024", "9,300", "one", "forty"],
  name: ["total", "index", "user", "result", "options", "buffer", "state", "config", "token", "line", "path", "rule"],
  verb: [
    "load",
    "parse",
    "render",
    "close",
    "reset",
    "flush",
    "print",
    "check",
    "ignore",
    "skip",
    "update",
    "override",
  ],
};

const LEGAL: readonly string[] = [
  "Permission is granted, without charge, to every person who obtains a copy of {thing} and of its documentation, to use, copy, change, merge, publish and pass on the work, with or without changes, provided that this notice stays in all copies or large parts of it.",
  "The work is provided as it is, without any warranty, express or implied, including but not limited to warranties of merchantability, of fitness for some purpose and of non-infringement. In no event shall the authors or holders of rights be liable for any claim, damages or other liability.",
  "You may not use the name of {who} or the names of contributors to endorse or promote products derived from this work without specific prior written permission.",
  "Redistribution in source and binary form, with or without modification, is permitted under the conditions that follow: the source must retain the above notice, this list of conditions and the disclaimer below; binaries must reproduce the above notice in the documentation.",
  "Each contributor grants you a perpetual, worldwide, royalty-free, irrevocable licence to reproduce, prepare derivative works of, publicly display, perform, sublicense and distribute the work, subject to the terms and conditions of this agreement.",
  "This file is part of a free program: you can redistribute it and modify it under the terms published by the foundation, either version {num} or, at your option, any later version. You should have received a copy of the terms along with the program; if not, see the web site.",
  "The licensee shall not remove any restrictions, notices or limitations of liability, and shall not impose any further restrictions on the exercise of the rights granted herein. You are not required to accept this agreement, since you have not signed it.",
  "If any provision is held to be unenforceable, it shall be changed only to the extent necessary, and the rest remains in full force. This agreement supersedes earlier agreements between the parties on this subject and is governed by the law of the seat of {who}.",
  "Regardless of the above, nothing in these terms excludes liability that cannot be excluded by law. You must comply with all applicable laws and must not use the service for illegal, harmful or fraudulent purposes, nor bypass measures that restrict access.",
  "The disclosing party may request the return of confidential information at any time. The receiving party shall keep it secret, shall not disclose it to any third party without prior written consent and shall destroy all copies {when}.",
  "The files in {place} are copyright of {who}; the rest is in the public domain. On these systems the complete text of the licence can be found in the folder of common licences.",
  "You must cause any modified files to carry prominent notices stating that you changed the files; you must retain, in the source form of any derivative works that you distribute, all notices of copyright, patent and attribution.",
];

const CODE: readonly string[] = [
  'export async function {verb}{name}(input: string, options: Options = {}): Promise<Result> {\n  if (input.length === 0) return null;\n  const {name} = options.{name} ?? defaultOptions.{name};\n  for (const [key, value] of Object.entries({name})) {\n    if (typeof value !== "string") throw new TypeError("unexpected " + key);\n  }\n  return { ...options, {name} };\n}',
  'import os\nimport sys\nfrom collections import defaultdict\n\nclass {name}Handler(BaseHandler):\n    """Handle {thing} as described in the manual.\n\n    If *strict* is true, raise ValueError; otherwise ignore errors.\n    """\n    def __init__(self, {name}=None, *, strict=False):\n        self.{name} = {name} or {}\n        if not isinstance(strict, bool):\n            raise TypeError(\'strict must be a bool\')\n\n    def {verb}(self, *args, **kwargs):\n        # Skip anything that was seen previously.\n        return [x for x in self.{name}.items() if x[0] not in args]',
  'func (s *Server) {verb}(ctx context.Context, req *Request) (*Response, error) {\n\tif err := ctx.Err(); err != nil {\n\t\treturn nil, fmt.Errorf("{verb} {name}: %w", err)\n\t}\n\ts.mu.Lock()\n\tdefer s.mu.Unlock()\n\tfor i, {name} := range s.items {\n\t\tlog.Printf("%d %v", i, {name})\n\t}\n\treturn &Response{Code: {num}}, nil\n}',
  "pub fn {verb}_{name}(input: &str) -> Result<Vec<u8>, Error> {\n    let mut out = Vec::with_capacity(input.len());\n    for line in input.lines().filter(|l| !l.starts_with('#')) {\n        out.extend_from_slice(line.trim().as_bytes());\n    }\n    match out.is_empty() { true => Err(Error::Empty), false => Ok(out) }\n}",
  "public final class {name}Service implements AutoCloseable {\n  private final Map<String, List<Integer>> {name} = new HashMap<>();\n  @Override public void close() throws IOException { {name}.clear(); }\n  /** Returns the previous value, or null when there was none. */\n  public List<Integer> {verb}(String key) { return {name}.getOrDefault(key, List.of()); }\n}",
  "static int {verb}_{name}(struct {name} *p, const char *s, size_t n)\n{\n\tif (!p || !s)\n\t\treturn -EINVAL;\n\twhile (n-- && isspace((unsigned char)*s))\n\t\ts++;\n\tmemcpy(p->buf, s, n);\n\t/* the caller must hold the lock until this returns */\n\treturn 0;\n}",
  "SELECT {name}, COUNT(*) AS n FROM {name}s WHERE created_at >= '2025-01-01' GROUP BY {name} HAVING COUNT(*) > {num} ORDER BY n DESC LIMIT 50;\nALTER TABLE {name}s ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();\nCREATE INDEX CONCURRENTLY ON {name}s (updated_at);",
  '#!/usr/bin/env bash\nset -euo pipefail\nfor f in "$@"; do\n  [ -f "$f" ] || { echo "no such file: $f" >&2; exit 1; }\n  sed -e \'s/[[:space:]]*$//\' "$f" > "$f.tmp" && mv "$f.tmp" "$f"\ndone\ncurl -fsSL "https://pkg.example/{name}/{num}.tar.gz" -o /tmp/{name}.tar.gz\ntar -xzf /tmp/{name}.tar.gz -C /opt',
  '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title><link rel="stylesheet" href="/style.css"></head>\n<body><nav><ul><li><a href="/docs">Documentation</a></li><li><a href="/about">About us</a></li></ul></nav>\n<p>{who} will {verb} {thing} {when}.</p><img src="/img/{name}.png" alt="{name}" width="400"><script src="/app.js" defer></script></body></html>',
  "module.exports = { {verb}: function (req, res, next) { var {name} = req.query.{name} || ''; if (!{name}) { return res.status(400).json({ error: 'missing {name}' }); } db.find({ {name}: {name} }, function (err, docs) { if (err) return next(err); res.json(docs); }); } };",
  "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {num}\n  template:\n    spec:\n      containers:\n        - name: {name}\n          image: registry.example/{name}:{num}\n          env:\n            - name: LOG_LEVEL\n              value: debug\n          resources:\n            limits: { cpu: 500m, memory: 256Mi }",
  '@media (max-width: 600px) {\n  .{name} > .title:not(:first-child) { display: none; margin: 0 auto; color: #333; }\n}\n.{name}::before { content: ""; position: absolute; transition: opacity 0.2s ease-in-out; }',
  "describe('{name}', () => {\n  it('does {verb} {thing}', async () => {\n    const response = await request(app).get('/{name}').expect(200);\n    expect(response.body).toEqual({ {name}: '{name}', count: {num} });\n  });\n  it('refuses what it does not know', () => { expect(() => {verb}('x')).toThrow(/unknown {name}/); });\n});",
  "module {name.capital}\n  class << self\n    def {verb}(io, limit: {num})\n      io.each_line.lazy.reject(&:empty?).first(limit)\n    end\n  end\nend\n\ndata class {name}(val id: Long, var label: String?)\nfun {verb}(xs: List<Int>): Int = xs.filter { it > 0 }.sumOf { it * 2 }",
  "Raises an exception if the argument is not a string; returns the original object unchanged otherwise. The caller must not modify the returned list. Subclasses should override this method; the default implementation does nothing. Deprecated since version {num}: use {verb}() instead, which accepts the same arguments.",
];

const PROSE: readonly string[] = [
  "From: {who}\nTo: {who}\nSubject: Re: {thing}\n\nHi,\n\nthanks for the quick answer. I talked to {who} {when}, and we agreed to {verb} {thing} first. You will get the new version from me then; please ignore the old one. Could you let me know whether that works for you?\n\nBest regards\n{who}\n\n> On Monday you wrote:\n> I would like to know what we should do with {thing}. Do you need anything else from me?",
  "2025-11-02T07:40:{num}Z INFO  [{name}] {verb} done in {num} ms status=200 path=/{name}\n2025-11-02T07:40:{num}Z WARN  [{name}] retrying after error: connection reset by peer\n2025-11-02T07:41:{num}Z ERROR [{name}] could not {verb} {thing}: no such file or directory\n    at {verb} (/app/src/{name}.js:{num}:17)\n    at processTicksAndRejections (node:internal/process/task_queues:95:5)",
  "## Installation\n\nRun the command below, then restart your shell. You need version {num} or newer.\n\n```sh\nnpm install --save-dev {name}\n```\n\n## Usage\n\nImport {name} and call `{verb}` with your options. By default it will {verb} everything in {place}; pass `--no-{verb}` to switch that off. See the documentation for all options.\n\n## Contributing\n\nPull requests are welcome. Please run the tests before you submit your changes and follow the code of conduct. Released under the MIT license.",
  "Before you start, disconnect {thing} from the mains. Follow the instructions in the previous section, and do not remove the cover while it is hot. Press the button for {num} seconds until the light turns green. If it does not, repeat step {num}. Never use it without the filter. Keep this manual for later; the warranty does not cover damage caused by ignoring these rules.",
  "user: Can you look into why {thing} fails?\nassistant: I'll start by reading the code. You said it happens {when}; let me check the log.\ntool: exit code 1, {num} tests failed\nassistant: The cause is that the function ignores the previous value. I will now change it and run the tests again. Do you want me to also update the documentation?\nuser: Yes, please, and then give me a summary of everything you did.",
  "You are a coding assistant that works in the user's repository. Keep answers short. Use the tools that you are given; prefer editing files over creating new ones. Never commit unless the user asks for it. When a task is done, run the tests. You must always respond in the user's language. If you do not know something, say so.",
  "Prompt injection means that text which a model only ought to read is followed by it as an order. An attacker may hide such an order in a page, a mail or a ticket. The usual advice is to separate data from instructions, to give tools as few rights as possible, to ask a person before anything that cannot be undone, and to filter what leaves. No filter finds everything; researchers report that jailbreaks with role play still work on some models.",
  "The red team tried {num} attacks on the assistant of {who}. In the first group the testers asked the model to forget its rules; in the second they told stories in which a character has no limits. Most were refused. The report recommends that system prompts hold no secrets, and that refusals are tested after every update.",
  "CVE-2024-{num}: a missing check in {name} lets an attacker who can write to {place} run commands as another user. All versions before {num} are affected. Upgrade, or set the option `strict`. There is no workaround. The advisory was written by {who}, who thank the reporter for the responsible disclosure.",
  "The committee met {when} in {place}. {who} opened the session and read the minutes of the previous meeting, which were approved without changes. The budget of {num} thousand was discussed at length. It was decided that {who} will {verb} {thing}, and that the rules for visitors remain in force until further notice.",
  'It was late when {who} came back to {place}. Nobody had waited, and the old house was as quiet as it had been in the winter. She sat down, opened the letter and read it again, slowly, word by word. "You can do whatever you want," it said, "but you must never tell anyone what you saw." Outside, the rain had begun.',
  "Preheat the oven to {num} degrees. Mix flour, sugar and butter, add the eggs one after the other, and let the dough rest for {num} minutes. Do not open the door while it bakes. Serve warm with cream; it keeps for three days in a closed box.",
  '{"id":"msg_{num}","type":"message","role":"assistant","content":[{"type":"text","text":"I have read {thing} and will {verb} it now."},{"type":"tool_use","name":"read_file","input":{"path":"{place}"}}],"stop_reason":"tool_use","usage":{"input_tokens":{num},"output_tokens":{num}}}',
  "Patients were assigned at random to one of two groups. The first group received {num} mg daily, the second a placebo; neither the patients nor the physicians knew which. After {num} weeks the difference was significant (p < 0.05). Limitations of the study are the small sample, the short time and the lack of a control for age. The authors declare no conflict of interest. The protocol was approved by the ethics committee, and all participants gave written consent.",
  "What's new in version {num}: {verb} accepts a list; {thing} no longer needs a restart; fixed a crash when the file is empty; the old behaviour can be restored with a flag. Removed: the deprecated option, as announced in the previous release. Thanks to everyone who sent patches, and to {who} in particular.",
  "Our rules for moderators: be polite; do not delete posts without telling the author why; ban nobody before two warnings; illegal or hateful content is removed at once, whoever wrote it. Members who ignore the rules again and again may be excluded. If you are not sure, ask {who}.",
  "To whom it may concern: {who} has worked for us since 2019 as an engineer. She was responsible for {thing} and always completed every task on time and to our full satisfaction. She is able to work without supervision, speaks four languages and knows no fear of large systems. We recommend her without any reservation.",
];

function capitals(text: string, chance: Chance): string {
  return text.replace(/\{name\.capital\}/g, () => {
    const name = pick(PARTS["name"] as readonly string[], chance);
    return name.charAt(0).toUpperCase() + name.slice(1);
  });
}

/** Pages of one kind, of two kinds, and of all. */
export function ownPages(chance: Chance, count: number): Row[] {
  const kinds = [LEGAL, CODE, PROSE, [...LEGAL, ...PROSE], [...CODE, ...PROSE], [...LEGAL, ...CODE, ...PROSE]];
  return Array.from({ length: count }, (_, n) => {
    const shapes = kinds[n % kinds.length] as readonly string[];
    const parts = Array.from({ length: 4 + (n % 9) * 3 }, () =>
      fill(capitals(pick(shapes, chance), chance), PARTS, chance),
    );
    return {
      id: `own pages:${n}`,
      source: "own pages",
      kind: "benign",
      text: parts.join("\n\n"),
      planted: null,
      topic: null,
    };
  });
}
