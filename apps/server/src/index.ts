export { type ConfigSources, loadConfig } from "./load-config.ts";
export { type RunningServer, runServer } from "./run-server.ts";
export { SETTINGS, type ServerConfig, type Setting, type SettingName } from "./settings.ts";
