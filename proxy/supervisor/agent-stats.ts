// What the node agent counts by and says, shared by its parts.
import type { StatScope } from '../telemetry/stat-name.ts';

/** `agent.` in Envoy's names, `weft_agent_` in Prometheus. */
export const AGENT_SCOPE: StatScope = { flat: 'agent.', family: 'weft_agent_', labels: [] };

/** What the agent has to say, by urgency. Lines hold no secret. */
export interface AgentLog {
  info(line: string): void;
  warning(line: string): void;
  error(line: string): void;
}
