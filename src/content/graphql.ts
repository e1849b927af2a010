/** What a GraphQL request asks for. */

export interface GraphQlOperation {
  readonly kind: "query" | "mutation" | "subscription";
  readonly name: string | null;
  /** Top-level fields by their own names (not aliases), fragments followed. */
  readonly fields: readonly string[];
  /** Selection sets inside each other, at most. */
  readonly depth: number;
}

export interface GraphQl {
  /** What is executed: of several operations the one `operationName` names, of a batch those of each entry. */
  readonly operations: readonly GraphQlOperation[];
  /** Every operation in the documents, executed or not. */
  readonly written: readonly GraphQlOperation[];
  /** A hash instead of a document (persisted query): the operation is not known. */
  readonly persisted: boolean;
  /** Requests in one body. */
  readonly batch: number;
}
