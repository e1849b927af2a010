/** What a call of a language model says, whatever the provider: the shape all dialects are brought to. */

/** Whose shape a call has. A server that speaks a shape of another's is of that dialect. */
export type Dialect =
  | "openai-chat"
  | "openai-responses"
  | "openai-completions"
  | "openai-embeddings"
  | "openai-images"
  | "openai-audio"
  | "openai-moderations"
  | "openai-assistants"
  | "anthropic-messages"
  | "anthropic-complete"
  | "gemini"
  | "vertex"
  | "bedrock-converse"
  | "bedrock-invoke"
  | "ollama"
  | "cohere"
  | "huggingface"
  | "replicate"
  | "watsonx"
  | "sagemaker"
  | "mcp";

export type Operation =
  | "chat"
  | "completion"
  | "embedding"
  | "image"
  | "audio"
  | "rerank"
  | "moderation"
  | "count"
  | "tool"
  | "other";

/** A text of the body, inside its quotes. `node` is its node on the facts' tape. */
export interface TextRange {
  readonly node: number;
  readonly start: number;
  readonly end: number;
  /** JSON escapes must be undone to read it. */
  readonly escaped: boolean;
}

export interface LlmMessage {
  /** As sent, lower case: system, developer, user, assistant, model, tool, function, … */
  readonly role: string;
  readonly texts: readonly TextRange[];
  /** Of a tool's result: the call it answers. */
  readonly toolCallId: string | null;
  /** Its texts are what a tool gave back: nobody's word. */
  readonly toolResult: boolean;
}

export interface LlmToolCall {
  readonly name: string;
  readonly id: string | null;
  /** The arguments as they lie in the body: a JSON value, or a string that holds JSON. Null: none. */
  readonly arguments: TextRange | null;
}

export interface Llm {
  readonly dialect: Dialect;
  readonly operation: Operation;
  /** As said in the body or the path, or null when neither names one. */
  readonly model: string | null;
  /** The answer is asked for piece by piece. */
  readonly stream: boolean;
  /** System prompts that stand outside the messages. */
  readonly system: readonly TextRange[];
  /** A prompt or an input that is no message is one of the user. */
  readonly messages: readonly LlmMessage[];
  /** Names of the tools offered. */
  readonly tools: readonly string[];
  /** Calls the model made earlier and that are part of this request; of MCP the call that this request is. */
  readonly toolCalls: readonly LlmToolCall[];
  /** Most tokens of the answer as asked, or null. Of several answers (`n`) the sum. */
  readonly maxTokens: number | null;
  /**
   * Tokens of what is sent, estimated: a quarter of the bytes of ASCII text, half of those of other text, rounded up, for every
   * text of the call (tools and schemas too; of more than 256 KiB a sample), 4 a message, 1,000 an image or file, 1 a token sent as a number.
   */
  readonly inputTokens: number;
  readonly images: number;
  readonly files: number;
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Part of `inputTokens` that came from a cache. */
  readonly cachedTokens: number;
  /** Part of `outputTokens` that went into thinking, where the provider tells. */
  readonly reasoningTokens: number;
  /** The model that answered, if it says so. */
  readonly model: string | null;
}
