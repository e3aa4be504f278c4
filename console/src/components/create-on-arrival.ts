import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";

/** Whether the page's dialog for something new is open; an address with `?create=true` opens it on arrival. */
export function useCreateOnArrival(): readonly [boolean, (open: boolean) => void] {
  const { create } = useSearch({ strict: false });
  const navigate = useNavigate();
  const [open, setOpen] = useState(create === true);
  useEffect(() => {
    if (create !== true) return;
    setOpen(true);
    // Asked once: going back to this page later does not open the dialog again.
    void navigate({ to: ".", search: ({ create: _, ...kept }) => kept, replace: true });
  }, [create, navigate]);
  return [open, setOpen];
}
