// What a dashboard may be, in Grafana's own types: https://www.npmjs.com/package/@grafana/schema. A test puts the
// dashboards below these lines, as they are written to files, and has them checked.
import type { Dashboard, Panel, RowPanel } from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { Options as Gauge } from "@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen";
import type { Options as Heatmap } from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as StateTimelineFields,
  Options as StateTimeline,
} from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type { Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type {
  FieldConfig as TimeSeriesFields,
  Options as TimeSeries,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** As JSON has it: the text of an enum's value in place of the enum. */
type Plain<T> = T extends string
  ? `${T}`
  : T extends (infer U)[]
    ? Plain<U>[]
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : T;

type Defaults = Plain<NonNullable<Panel["fieldConfig"]>["defaults"]>;

/** One kind of panel, with the options that are its own. */
type Of<Kind extends string, Options, Fields = Record<string, unknown>> = Omit<
  Plain<Panel>,
  "type" | "options" | "fieldConfig"
> & {
  type: Kind;
  options: Partial<Plain<Options>>;
  fieldConfig: {
    defaults: Omit<Defaults, "custom" | "mappings"> & { custom?: Partial<Plain<Fields>>; mappings?: unknown[] };
    overrides: [];
  };
};

type Shown = Omit<Plain<Dashboard>, "panels"> & {
  panels: (
    | Plain<RowPanel>
    | Of<"timeseries", TimeSeries, TimeSeriesFields>
    | Of<"stat", Stat>
    | Of<"gauge", Gauge>
    | Of<"bargauge", BarGauge>
    | Of<"table", Table>
    | Of<"state-timeline", StateTimeline, StateTimelineFields>
    | Of<"heatmap", Heatmap>
  )[];
};
