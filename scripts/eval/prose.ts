/** What stands in docs/detection.md around the numbers. */

export const FOREWORD = `# What is detected, and what is not

Made by \`npm run eval\`; not to be edited. The corpora are third-party collections that the project does not ship
(\`SALLYPORT_CORPORA\` names their folder); rows are named by their ids, never quoted. [pillar128.md](pillar128.md) says what the
vectors mean.`;

export const AFTERWORD = "";
