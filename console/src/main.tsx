// First of all: takes the token out of the address before anything can see it there.
import "./api/fragment-token.ts";

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./api/queries.ts";
import { router } from "./routes.tsx";
import "./styles.css";
import { Toasts } from "./ui/Toasts.tsx";
import { Tooltips } from "./ui/Tooltip.tsx";

// The first page's code and what it shows are fetched while the server is asked who is there, rather than after that.
interface Loadable {
  readonly component?: { readonly preload?: () => Promise<unknown> };
  readonly loader?: (arrival: { readonly params: object }) => void;
}
const routes = router.routesById as unknown as Record<string, { readonly options: Loadable }>;
for (const { routeId, params } of router.matchRoutes(router.latestLocation)) {
  const { component, loader } = routes[routeId as string]?.options ?? {};
  loader?.({ params });
  void component?.preload?.().catch(() => undefined);
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Tooltips>
          <RouterProvider router={router} />
          <Toasts />
        </Tooltips>
      </QueryClientProvider>
    </StrictMode>,
  );
}
