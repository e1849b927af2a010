/** An OCI image layout (image-spec 1.1) on disk: blobs by their digest, and the index that names the manifests. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf } from "./run.ts";

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const EMPTY = "application/vnd.oci.empty.v1+json";

export type Compression = "zstd" | "gzip";

/**
 * 64 MiB, where level 19 takes 8: what repeats in a binary of 124 MB is further apart. Half of what zstd's own decoder takes
 * without being asked, an eighth of what that of containerd, Docker, Podman and skopeo does; who reads a layer keeps as much.
 */
const WINDOW_LOG = 26;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly architecture: string; readonly os: "linux" };
  readonly artifactType?: string;
}

export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType: typeof INDEX;
  readonly manifests: readonly Descriptor[];
}

export interface Layer {
  readonly tar: Uint8Array;
  /** What `docker history` tells of it. */
  readonly why: string;
}

/** zstd's 1 to 22, and gzip's 1 to 9. */
export interface Levels {
  readonly zstd: number;
  readonly gzip: number;
}

export class Layout {
  readonly #directory: string;
  readonly #manifests: Descriptor[];

  private constructor(directory: string, manifests: readonly Descriptor[]) {
    this.#directory = directory;
    this.#manifests = [...manifests];
  }

  /** What was in `directory` of an earlier one is gone. */
  static create(directory: string): Layout {
    rmSync(join(directory, "blobs"), { recursive: true, force: true });
    mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
    writeFileSync(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    return new Layout(directory, []);
  }

  /** Throws when the blobs that the index names are not what their digests say. */
  static open(directory: string): Layout {
    const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as Index;
    const layout = new Layout(directory, index.manifests);
    for (const { digest } of index.manifests) layout.read(digest);
    return layout;
  }

  get manifests(): readonly Descriptor[] {
    return this.#manifests;
  }

  /** Throws when it is not what its digest says. */
  read(digest: string): Uint8Array {
    const bytes = readFileSync(join(this.#directory, "blobs", digest.replace(":", "/")));
    if (`sha256:${digestOf(bytes)}` !== digest) throw new Error(`the blob ${digest} has other bytes than it had`);
    return bytes;
  }

  blob(mediaType: string, content: Uint8Array | string): Descriptor {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const hex = digestOf(bytes);
    writeFileSync(join(this.#directory, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }

  /** The config names the tars, not how they are compressed: images that differ in that alone share it. */
  config(image: Readonly<Record<string, unknown>>, layers: readonly Layer[], created: string): Descriptor {
    const rootfs = { type: "layers", diff_ids: layers.map(({ tar }) => `sha256:${digestOf(tar)}`) };
    const history = layers.map(({ why }) => ({ created, created_by: "scripts/image.ts", comment: why }));
    return this.blob(CONFIG, JSON.stringify({ created, os: "linux", ...image, rootfs, history }));
  }

  compressed(tar: Uint8Array, compression: Compression, levels: Levels): Descriptor {
    const bytes =
      compression === "gzip"
        ? gzipSync(tar, { level: levels.gzip })
        : zstdCompressSync(tar, {
            params: {
              [constants.ZSTD_c_compressionLevel]: levels.zstd,
              [constants.ZSTD_c_windowLog]: WINDOW_LOG,
              // With the size in its header a reader makes the room once.
              [constants.ZSTD_c_contentSizeFlag]: 1,
              [constants.ZSTD_c_checksumFlag]: 1,
            },
          });
    return this.blob(`application/vnd.oci.image.layer.v1.tar+${compression}`, bytes);
  }

  /** `entry` is what the index says of it besides. */
  manifest(
    parts: {
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
      readonly annotations?: Readonly<Record<string, string>>;
      readonly subject?: Descriptor;
      readonly artifactType?: string;
    },
    entry: Pick<Descriptor, "annotations" | "platform" | "artifactType">,
  ): Descriptor {
    const plain = ({ mediaType, digest, size, annotations }: Descriptor): Descriptor => ({
      mediaType,
      digest,
      size,
      ...(annotations === undefined ? {} : { annotations }),
    });
    const { config, layers, annotations, subject, artifactType } = parts;
    const descriptor = this.blob(
      MANIFEST,
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        ...(artifactType === undefined ? {} : { artifactType }),
        config: plain(config),
        layers: layers.map(plain),
        ...(subject === undefined
          ? {}
          : { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size } }),
        ...(annotations === undefined ? {} : { annotations }),
      }),
    );
    const named = { ...descriptor, ...entry };
    this.#manifests.push(named);
    return named;
  }

  /** Something that belongs to `subject` and is no image: what registries list as its referrers. */
  artifact(subject: Descriptor, artifactType: string, content: Descriptor, annotations: Record<string, string>): void {
    const config = this.blob(EMPTY, "{}");
    this.manifest({ config, layers: [content], subject, artifactType, annotations }, { artifactType });
  }

  /** Writes the index: before this the layout has nothing in it. */
  close(): void {
    const index: Index = { schemaVersion: 2, mediaType: INDEX, manifests: this.#manifests };
    writeFileSync(join(this.#directory, "index.json"), JSON.stringify(index));
  }
}
