// The shapes of the API's answers, as docs/api.md tells them. Times are RFC 3339 in UTC; names carry their unit.

export type State = "up" | "degraded" | "down" | "unknown" | "paused";
export type Severity = "ok" | "warning" | "fault" | "unknown";
export type Scope = "read" | "admin";
export type Rung = "resolve" | "connect" | "encrypt" | "describe" | "first_packet" | "first_key_frame" | "picture";

export interface RungTime {
  rung: Rung;
  /** What this rung alone took. */
  ms: number;
}

export interface StreamInfo {
  codec: string | null;
  profile: string | null;
  width: number | null;
  height: number | null;
  fps: number | null;
  kbps: number | null;
  loss_percent: number | null;
}

export interface Thumbnail {
  url: string;
  at: string;
  age_seconds: number;
  width: number;
  height: number;
  etag: string;
}

export interface Recent {
  at: string;
  verdict: string;
  severity: Severity;
  /** Null where the check read along with an open live view. */
  ms: number | null;
}

export interface EvidencePicture {
  url: string;
  at: string;
}

export interface Evidence {
  /** The camera's first bad answer, secrets masked. */
  answer: string | null;
  message: string;
  advice: string;
  good: EvidencePicture | null;
  bad: EvidencePicture | null;
}

export interface Incident {
  id: number;
  camera: string;
  state: "down" | "degraded";
  verdict: string;
  message: string;
  from: string;
  to: string | null;
  evidence?: Evidence | null;
}

/** One camera: what is configured of it that is no secret, and how it is. */
export interface CameraView {
  id: string;
  name: string;
  url: string;
  state: State;
  since: string;
  heartbeat_seconds: number;
  verdict: string | null;
  severity: Severity | null;
  title: string | null;
  advice: string | null;
  message: string | null;
  checked_at: string | null;
  check_ms: number | null;
  first_packet_ms: number | null;
  first_frame_ms: number | null;
  rungs: RungTime[];
  stream: StreamInfo | null;
  decoded: boolean | null;
  failures: number;
  next_check: string | null;
  incident: Incident | null;
  thumbnail: Thumbnail | null;
  /** The last checks, oldest first. */
  recent: Recent[];
  live?: { viewers: number; main: boolean; sub: boolean };
  paused_until?: string | null;
}

/** The keys of one stream in pulsebox.yaml; only those that the file gives. */
export interface StreamSettings {
  id?: string | null;
  name?: string;
  url?: string;
  username?: string;
  password?: string;
  transport?: "tcp" | "udp" | null;
  tls_insecure?: boolean | null;
  heartbeat_seconds?: number | null;
  timeout_seconds?: number | null;
  expect?: Record<string, unknown> | null;
  alarm?: Record<string, unknown> | null;
  led?: number | null;
  paused?: boolean | null;
  paused_until?: string | null;
  sub_url?: string | null;
  /** In answers only. */
  has_credentials?: boolean;
}

export interface CameraDetail extends CameraView {
  settings?: StreamSettings;
}

export interface RemovedCamera {
  id: string;
  name: string;
  url: string;
}

export interface CheckResult {
  verdict: string;
  severity: Severity;
  title: string;
  advice: string;
  message: string;
  rungs: RungTime[];
  ms: number;
  first_packet_ms: number | null;
  first_frame_ms: number | null;
  stream: StreamInfo | null;
  /** data:image/jpeg;base64,… */
  picture: string | null;
  answer: string | null;
}

/** A row of the ladder: the words for one verdict. */
export interface LadderRow {
  verdict: string;
  name: string;
  part: string;
  rung: Rung | null;
  severity: Severity;
  title: string;
  told_by: string;
  advice: string;
  /** Where they differ for a camera at the box. */
  local: { title: string; advice: string } | null;
}

/** The box on its MQTT broker. */
export interface BrokerStatus {
  state: "off" | "connecting" | "connected" | "lost";
  since: string | null;
  /** Of a lost one, from here on. */
  verdict: string | null;
  title: string | null;
  advice: string | null;
  message: string | null;
}

/** What a try at a broker came to. */
export interface BrokerTried {
  ok: boolean;
  rungs: RungTime[];
  failed: Rung | null;
  ms: number;
  verdict: string | null;
  title: string | null;
  advice: string | null;
  message: string | null;
}

/** One LED that is configured. */
export interface LampStatus {
  /** `green`, `red`, `act` or a camera's id. */
  lamp: string;
  /** Where it is: `line 27 of pinctrl-bcm2711`. */
  at: string;
  dims: boolean;
  /** Why it does not light, and what to do about it. */
  problem: string | null;
}

/** What the box's LEDs show. */
export interface LedsStatus {
  /** The row of the card; null where all is dark: no LED, or quiet hours. */
  shows: string | null;
  /** Blinks of a row that counts, else 0. */
  count: number;
  is_quiet: boolean;
  lamps: LampStatus[];
  /** What the machine is, where it is a Raspberry Pi. */
  machine?: string | null;
}

/** The box's own LEDs, as the card has columns for them. */
export type BoxLamp = "green" | "red" | "act";

/** One piece of a pattern: how bright each LED is, percent, and for how long. */
export type LedStep = Record<BoxLamp, number> & { ms: number };

/** One row of the LED card; a row that counts has the steps of two blinks. */
export type LedRow = Record<BoxLamp, string> & { sign: string; holds: string; advice: string; steps: LedStep[] };

export interface Leds extends LedsStatus {
  /** The first row that holds is shown. */
  card: LedRow[];
}

/** A camera at this machine. */
export interface LocalCamera {
  url: string;
  name: string;
  driver: string;
  bus: string;
  node: string;
  /** Whether `url` means the same camera after a restart. */
  stable: boolean;
  /** Best first: `MJPEG 1280×720 30/s`. */
  formats: string[];
  /** Why it cannot be watched. */
  problem: string | null;
  /** The configured camera that it is. */
  camera: string | null;
}

export interface BoxStatus {
  network: boolean;
  storage_fault: string | null;
  history_repaired: string | null;
  config_fault: string | null;
  bytes_written: number;
  name?: string;
  version?: string;
  uptime_seconds?: number;
  addresses?: string[];
  cpu_percent?: number | null;
  load1?: number | null;
  memory_total?: number | null;
  memory_used?: number | null;
  temperature_c?: number | null;
  data_total?: number | null;
  data_free?: number | null;
  clock?: "trusted" | "untrusted";
  daemon_memory?: number | null;
  daemon_cpu_percent?: number | null;
  broker?: BrokerStatus;
  leds?: LedsStatus;
  /** Somebody wants to know which box this is, until then. */
  identify_until?: string | null;
  /** Null where Pulsebox runs on another machine. */
  appliance?: Appliance | null;
}

export type StartCause = "first" | "power" | "restart" | "update" | "rollback" | "watchdog" | "panic" | "reset";
export type UpdateState =
  | "none" | "checking" | "waiting" | "writing" | "written" | "trying" | "good" | "refused" | "failed" | "rolled_back";

export interface UpdateStatus {
  state: UpdateState;
  /** How much is written, 0 to 100. */
  percent: number | null;
  version: string | null;
  message: string | null;
}

/** What an appliance knows of its own system; what it does not know is null. */
export interface Appliance {
  slot: string | null;
  version: string | null;
  /** On the LAN, without `.local`. */
  name?: string | null;
  start: { cause: StartCause; message: string | null; undervoltage: boolean | null; boot: string | null } | null;
  data: { state: "ok" | "new" | "grown" | "repaired" | "memory" | "readonly"; message: string | null } | null;
  import: { state: "none" | "taken" | "refused"; file: string | null; message: string | null } | null;
  update: UpdateStatus | null;
}

/** One start of an appliance. */
export interface PastStart {
  at: string;
  cause: StartCause;
  message: string | null;
  slot: string | null;
  version: string | null;
}

export interface LiveStatus {
  camera: string;
  stream: "main" | "sub";
  viewers: number;
  codec: string | null;
  width: number | null;
  height: number | null;
  fps: number | null;
  kbps: number | null;
  bytes: number;
  since: string;
  gop_frames: number;
  skips: number;
}

export interface SystemStatus {
  host: BoxStatus;
  overall: string;
  cameras: Partial<Record<State, number>>;
  connections: { http: number; events: number; sockets: number; mjpeg: number; limits: Record<string, number> };
  live: LiveStatus[];
  /** Newest first; empty where it is no appliance. */
  starts: PastStart[];
}

export interface Session {
  claimed: boolean;
  signed_in: boolean;
  scope: Scope | null;
  version: string;
  name: string;
}

export interface Token {
  id: string;
  name: string;
  scope: Scope;
  created: string;
  last_used: string | null;
}

export interface NewToken {
  id: string;
  token: string;
  name: string;
  scope: Scope;
}

/** What is wrong in the settings, and where. */
export interface Problem {
  line: number | null;
  column: number | null;
  key: string | null;
  what: string;
  do: string;
}

export type KeyKind =
  | "whole" | "decimal" | "bool" | "text" | "secret" | "choice" | "id" | "camera_url" | "web_url" | "host"
  | "zone" | "address" | "hours" | "section" | "list" | "texts" | "time";

/** What pulsebox.yaml may say under one key. */
export interface SettingKey {
  /** For instance `mqtt.port` or `streams[].alarm.failures`. */
  path: string;
  kind: KeyKind;
  min?: number | null;
  max?: number | null;
  choices?: string[] | null;
  unit?: string | null;
  default: string | null;
  required: boolean;
  about: string;
}

export type Times = Record<State | "unwatched", number>;

export interface Uptime {
  /** Null where nothing was watched. */
  percent: number | null;
  times_ms: Times;
}

export interface Uptimes {
  day: Uptime;
  week: Uptime;
  month: Uptime;
  year: Uptime;
}

export interface HistoryPoint {
  from: string;
  to: string;
  times_ms: Times;
  checks: number;
  failures: number;
  p50_ms: number | null;
  p95_ms: number | null;
  max_ms: number | null;
  fps?: number | null;
  kbps?: number | null;
  first_frame_ms?: number | null;
}

export interface History {
  camera: string;
  from: string;
  to: string;
  step_seconds: number;
  uptime: Uptime;
  points: HistoryPoint[];
}
